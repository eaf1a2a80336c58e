package qps

import (
	"fmt"
	"log/slog"
	"time"
)

// SchemaAwsAuthRecord is the schema path of AWS authentication records.
const SchemaAwsAuthRecord = "/qps/xsd/2.0/am/awsauthrecord.xsd"

// AwsAuthRecord holds access keys of an AWS user that connectors may use in
// place of a role (Qualys Asset Management API, object awsauthrecord). Answers
// never carry the keys, so it has no field for them; see AwsAuthRecordChange. ID
// is always written; other zero values mean "not known" and are not.
type AwsAuthRecord struct {
	ID          int64
	Name        string
	Description string
	Created     time.Time
	Modified    time.Time
}

const awsAuthRecordElement = "AwsAuthRecord"

// ElementName returns "AwsAuthRecord".
func (*AwsAuthRecord) ElementName() string { return awsAuthRecordElement }

func (r *AwsAuthRecord) writeTo(s sink) {
	s.integer("id", r.ID)
	optText(s, "name", r.Name)
	optText(s, "description", r.Description)
	optTime(s, "created", r.Created)
	optTime(s, "modified", r.Modified)
}

func readAwsAuthRecord(n *Node) (*AwsAuthRecord, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	return &AwsAuthRecord{
		ID: id, Name: n.Value("name"), Description: n.Value("description"), Created: n.time("created"), Modified: n.time("modified"),
	}, nil
}

// AwsAuthRecordChange is what a request says about an AWS authentication record
// to create or to change. A nil field is not said and stays as it is. Empty name
// and description are said; empty keys are not, as in records that were read.
//
// No formatting verb and no logger prints the secret key.
type AwsAuthRecordChange struct {
	ID          *int64 // only needed where the path has none
	Name        *string
	Description *string
	AccessKeyID *string
	SecretKey   *string
}

// String describes the change without the secret key.
func (c AwsAuthRecordChange) String() string {
	text := awsAuthRecordElement
	if c.ID != nil {
		text += fmt.Sprintf(" id %d", *c.ID)
	}
	for _, f := range []struct {
		name  string
		value *string
	}{{"name", c.Name}, {"description", c.Description}, {"access key", c.AccessKeyID}} {
		if f.value != nil {
			text += fmt.Sprintf(" %s %q", f.name, *f.value)
		}
	}
	if c.SecretKey != nil {
		text += " with a secret key"
	}
	return text
}

// GoString is String.
func (c AwsAuthRecordChange) GoString() string { return c.String() }

// Format writes String whatever the verb, because the verbs for numbers would
// show the fields.
func (c AwsAuthRecordChange) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue is String.
func (c AwsAuthRecordChange) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON refuses: requests are made with Node.
func (c AwsAuthRecordChange) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("%s is not for JSON: it would show the secret key; use Node", c.String())
}

// ParseAwsAuthRecordChange reads an AwsAuthRecord element of a request's data.
// What is wrong with its form comes back as a *RequestError, which repeats no
// key; values are for the server to judge.
func ParseAwsAuthRecordChange(n *Node) (AwsAuthRecordChange, error) {
	e, err := elementsOfObject(n, awsAuthRecordElement,
		[]string{"id", "name", "description", "accessKeyId", "secretKey"}, []string{"created", "modified"})
	if err != nil {
		return AwsAuthRecordChange{}, err
	}
	c := AwsAuthRecordChange{
		ID: e.integer("id"), Name: e.emptiable("name"), Description: e.emptiable("description"),
		AccessKeyID: e.text("accessKeyId"), SecretKey: e.text("secretKey"),
	}
	if e.err != nil {
		return AwsAuthRecordChange{}, e.err
	}
	return c, nil
}

// Node returns the change as an AwsAuthRecord element of a request's data. It
// holds the secret key.
func (c AwsAuthRecordChange) Node() *Node {
	n := &Node{Name: awsAuthRecordElement}
	addInteger(n, "id", c.ID)
	addText(n, "name", c.Name)
	addText(n, "description", c.Description)
	addText(n, "accessKeyId", c.AccessKeyID)
	addText(n, "secretKey", c.SecretKey)
	return n
}
