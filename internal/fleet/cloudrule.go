package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// A CLOUD_ASSET rule is a query as the Qualys platform takes them for EC2:
//
//	aws.ec2.region.code: us-east-1 and not aws.ec2.instanceState: [STOPPED, TERMINATED]
//	aws.tags: (key: team and value: "web shop") or aws.ec2.vpcId: vpc-0123
//
// Values are compared as a whole and case-sensitively; a value with blanks, commas
// or brackets is quoted with " or `. An instance has several tags: without
// brackets aws.tags.key and aws.tags.value may be met by two of them.

const (
	// maxTerms bounds the comparisons of a query, and maxDepth how deep it nests.
	maxTerms = 100
	maxDepth = 20
	// CloudEC2 is the provider of tags whose queries are evaluated, and of those that
	// name none.
	CloudEC2 = "EC2"
)

// query is a compiled query over things of one kind.
type query[T any] func(T) bool

// grammar says for each field of a query how what follows it is read.
type grammar[T any] map[string]func(p *queryParser) (query[T], error)

// compared is followed by a value, or by several of which one is enough, and asks
// for things of which a value is among them.
func compared[T any](values func(T) []string) func(p *queryParser) (query[T], error) {
	return func(p *queryParser) (query[T], error) {
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		wanted, err := p.values()
		return func(thing T) bool {
			return slices.ContainsFunc(values(thing), func(v string) bool { return slices.Contains(wanted, v) })
		}, err
	}
}

func ofInstance(get func(i *qps.EC2Source) string) func(p *queryParser) (query[*qps.EC2Source], error) {
	return compared(func(i *qps.EC2Source) []string { return present(get(i)) })
}

func ofTags(get func(t qps.CloudTag) string) func(p *queryParser) (query[*qps.EC2Source], error) {
	return compared(func(i *qps.EC2Source) []string {
		values := make([]string, len(i.Tags))
		for n, t := range i.Tags {
			values[n] = get(t)
		}
		return values
	})
}

// cloudGrammar is what queries may ask of an instance (Qualys asset search, AWS
// tokens).
var cloudGrammar = grammar[*qps.EC2Source]{
	"aws.ec2.accountId":        ofInstance(func(i *qps.EC2Source) string { return i.AccountID }),
	"aws.ec2.availabilityZone": ofInstance(func(i *qps.EC2Source) string { return i.AvailabilityZone }),
	"aws.ec2.imageId":          ofInstance(func(i *qps.EC2Source) string { return i.ImageID }),
	"aws.ec2.instanceId":       ofInstance(func(i *qps.EC2Source) string { return i.InstanceID }),
	"aws.ec2.instanceState":    ofInstance(func(i *qps.EC2Source) string { return i.InstanceState }),
	"aws.ec2.instanceType":     ofInstance(func(i *qps.EC2Source) string { return i.InstanceType }),
	"aws.ec2.privateDNS":       ofInstance(func(i *qps.EC2Source) string { return i.PrivateDNSName }),
	"aws.ec2.privateIpAddress": ofInstance(func(i *qps.EC2Source) string { return i.PrivateIPAddress }),
	"aws.ec2.publicDNS":        ofInstance(func(i *qps.EC2Source) string { return i.PublicDNSName }),
	"aws.ec2.publicIpAddress":  ofInstance(func(i *qps.EC2Source) string { return i.PublicIPAddress }),
	"aws.ec2.region.code":      ofInstance(func(i *qps.EC2Source) string { return i.Region }),
	"aws.ec2.spotInstance":     ofInstance(func(i *qps.EC2Source) string { return strconv.FormatBool(i.SpotInstance) }),
	"aws.ec2.subnetId":         ofInstance(func(i *qps.EC2Source) string { return i.SubnetID }),
	"aws.ec2.vpcId":            ofInstance(func(i *qps.EC2Source) string { return i.VPCID }),
	"aws.tags":                 oneTag,
	"aws.tags.key":             ofTags(func(t qps.CloudTag) string { return t.Key }),
	"aws.tags.value":           ofTags(func(t qps.CloudTag) string { return t.Value }),
}

var tagGrammar = grammar[qps.CloudTag]{
	"key":   compared(func(t qps.CloudTag) []string { return []string{t.Key} }),
	"value": compared(func(t qps.CloudTag) []string { return []string{t.Value} }),
}

// oneTag is followed by a query in brackets that one tag meets as a whole.
func oneTag(p *queryParser) (query[*qps.EC2Source], error) {
	for _, mark := range []string{":", "("} {
		if err := p.expect(mark); err != nil {
			return nil, err
		}
	}
	q, err := either(p, tagGrammar)
	if err != nil {
		return nil, err
	}
	return func(i *qps.EC2Source) bool { return slices.ContainsFunc(i.Tags, q) }, p.expect(")")
}

// compileCloud compiles the query of a rule.
func compileCloud(text string) (query[*qps.EC2Source], error) {
	p := &queryParser{rest: text}
	p.next()
	q, err := either(p, cloudGrammar)
	if err == nil && (p.token != "" || p.quoted) {
		err = fmt.Errorf("there is '%s' where and, or or the end is expected", echo(p.token))
	}
	return q, err
}

// cloudHelp says how queries are written.
func cloudHelp() string {
	return "Specify a query such as aws.ec2.region.code: us-east-1 and not aws.ec2.instanceState: [STOPPED, TERMINATED], or aws.tags: (key: team and value: web). Fields: " +
		strings.Join(slices.Sorted(maps.Keys(cloudGrammar)), ", ") + "."
}

// queryParser reads the tokens of a query: brackets, colons, commas and words.
type queryParser struct {
	rest   string
	token  string // empty at the end
	quoted bool   // token is a value, whatever is in it
	terms  int
	depth  int
}

const queryMarks = "()[]:,"

func (p *queryParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	p.token, p.quoted = "", false
	switch {
	case p.rest == "":
	case strings.ContainsRune(queryMarks, rune(p.rest[0])):
		p.token, p.rest = p.rest[:1], p.rest[1:]
	case p.rest[0] == '"' || p.rest[0] == '`':
		quote := p.rest[:1]
		value, after, closed := strings.Cut(p.rest[1:], quote)
		if !closed { // the quote stays, and is no value
			p.token, p.rest = p.rest, ""
			return
		}
		p.token, p.rest, p.quoted = value, after, true
	default:
		end := strings.IndexAny(p.rest, queryMarks+" \t\r\n")
		if p.token = p.rest; end >= 0 {
			p.token = p.rest[:end]
		}
		p.rest = p.rest[len(p.token):]
	}
}

// take passes over a token that is the mark or word.
func (p *queryParser) take(word string) bool {
	if p.quoted || !strings.EqualFold(p.token, word) {
		return false
	}
	p.next()
	return true
}

func (p *queryParser) expect(mark string) error {
	if !p.take(mark) {
		return fmt.Errorf("there is '%s' where %s is expected", echo(p.token), mark)
	}
	return nil
}

// either reads terms joined by or, of which and binds tighter.
func either[T any](p *queryParser, fields grammar[T]) (query[T], error) {
	return joined(p, "or", true, func() (query[T], error) {
		return joined(p, "and", false, func() (query[T], error) { return unary(p, fields) })
	})
}

// joined reads queries with a word between them. The first whose answer is
// decisive decides.
func joined[T any](p *queryParser, word string, decisive bool, one func() (query[T], error)) (query[T], error) {
	var list []query[T]
	for {
		q, err := one()
		if err != nil {
			return nil, err
		}
		list = append(list, q)
		if !p.take(word) {
			break
		}
	}
	return func(thing T) bool {
		return slices.ContainsFunc(list, func(q query[T]) bool { return q(thing) == decisive }) == decisive
	}, nil
}

func unary[T any](p *queryParser, fields grammar[T]) (query[T], error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("not"):
		q, err := unary(p, fields)
		return func(thing T) bool { return !q(thing) }, err
	case p.take("("):
		q, err := either(p, fields)
		if err != nil {
			return nil, err
		}
		return q, p.expect(")")
	default:
		return term(p, fields)
	}
}

func term[T any](p *queryParser, fields grammar[T]) (query[T], error) {
	if p.terms++; p.terms > maxTerms {
		return nil, fmt.Errorf("it has more than %d comparisons", maxTerms)
	}
	read, ok := fields[p.token]
	if !ok || p.quoted {
		return nil, fmt.Errorf("there is '%s' where a field is expected", echo(p.token))
	}
	p.next()
	return read(p)
}

// values reads one value, or several in square brackets.
func (p *queryParser) values() ([]string, error) {
	if !p.take("[") {
		v, err := p.value()
		return []string{v}, err
	}
	var list []string
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if list = append(list, v); len(list) > maxTerms {
			return nil, fmt.Errorf("a list has more than %d values", maxTerms)
		}
		if !p.take(",") {
			return list, p.expect("]")
		}
	}
}

func (p *queryParser) value() (string, error) {
	if !p.quoted && (p.token == "" || strings.ContainsAny(p.token, queryMarks+"\"`")) {
		return "", fmt.Errorf("there is '%s' where a value is expected", echo(p.token))
	}
	v := p.token
	p.next()
	return v, nil
}
