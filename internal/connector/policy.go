package connector

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/fault"
)

// Policy is an IAM policy document.
type Policy struct {
	Version   string      `json:"Version" yaml:"Version"`
	Statement []Statement `json:"Statement" yaml:"Statement"`
}

// Statement is a statement of a Policy.
type Statement struct {
	Effect    string                       `json:"Effect" yaml:"Effect"`
	Principal map[string]string            `json:"Principal,omitempty" yaml:"Principal,omitempty"`
	Action    []string                     `json:"Action" yaml:"Action"`
	Resource  string                       `json:"Resource,omitempty" yaml:"Resource,omitempty"`
	Condition map[string]map[string]string `json:"Condition,omitempty" yaml:"Condition,omitempty"`
}

func allow(s Statement) Policy {
	s.Effect = "Allow"
	return Policy{Version: "2012-10-17", Statement: []Statement{s}} // the version of IAM's policy language
}

// PermissionPolicy is what the role of a connector, or the user of an
// authentication record, has to be allowed: to list. It is the same in every
// partition.
func PermissionPolicy() Policy {
	return allow(Statement{Action: []string{"ec2:DescribeInstances", "ec2:DescribeRegions"}, Resource: "*"})
}

// CallerPolicy is what the base account's user, or the platform's own
// credentials, have to be allowed: to assume roles of the partition.
func CallerPolicy(p Partition) Policy {
	return allow(Statement{Action: []string{"sts:AssumeRole"}, Resource: "arn:" + string(p) + ":iam::*:role/*"})
}

var (
	accountForm    = regexp.MustCompile(`^\d{12}$`)
	principalForm  = regexp.MustCompile(`^arn:(aws|aws-us-gov|aws-cn):iam::\d{12}:(root|(user|role)/[\w+=,.@/-]{1,576})$`)
	externalIDForm = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	roleNameForm   = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`) // IAM API, CreateRole
)

// externalIDLimit is the most characters of an external id (STS API, AssumeRole).
const externalIDLimit = 1224

// TrustPolicy lets a principal assume the role of a connector when it knows the
// external id. The principal is twelve digits, for whoever in that account is
// allowed to, or the ARN of an account, user or role. What AWS would not take is
// refused with fault.Invalid.
func TrustPolicy(p Partition, principal, externalID string) (Policy, error) {
	if accountForm.MatchString(principal) {
		principal = "arn:" + string(p) + ":iam::" + principal + ":root"
	}
	if !principalForm.MatchString(principal) {
		return Policy{}, fault.Newf(fault.Invalid, "the principal %q is neither twelve digits nor an ARN such as arn:%s:iam::123456789012:user/vedette", principal, p)
	}
	if !strings.HasPrefix(principal, "arn:"+string(p)+":") {
		return Policy{}, fault.Newf(fault.Invalid, "the principal %s is not of partition %s (%s): no role can trust a principal of another partition", principal, p, p.Name())
	}
	if !externalIDForm.MatchString(externalID) || len(externalID) > externalIDLimit {
		return Policy{}, fault.Newf(fault.Invalid, "the external id %.80q does not have 2 to %d letters, digits and characters of _+=,.@:/-", externalID, externalIDLimit)
	}
	return allow(Statement{
		Principal: map[string]string{"AWS": principal},
		Action:    []string{"sts:AssumeRole"},
		Condition: map[string]map[string]string{"StringEquals": {"sts:ExternalId": externalID}},
	}), nil
}

// Template is a CloudFormation template that makes the role of a connector. Its
// output RoleArn is what the connector is given.
type Template struct {
	Version     string              `json:"AWSTemplateFormatVersion" yaml:"AWSTemplateFormatVersion"`
	Description string              `json:"Description" yaml:"Description"`
	Resources   map[string]resource `json:"Resources" yaml:"Resources"`
	Outputs     map[string]output   `json:"Outputs" yaml:"Outputs"`
}

type resource struct {
	Type       string         `json:"Type" yaml:"Type"`
	Properties roleProperties `json:"Properties" yaml:"Properties"`
}

// roleProperties are those of AWS::IAM::Role.
type roleProperties struct {
	RoleName    string        `json:"RoleName,omitempty" yaml:"RoleName,omitempty"`
	Description string        `json:"Description" yaml:"Description"`
	Trust       Policy        `json:"AssumeRolePolicyDocument" yaml:"AssumeRolePolicyDocument"`
	Policies    []namedPolicy `json:"Policies" yaml:"Policies"`
}

type namedPolicy struct {
	Name     string `json:"PolicyName" yaml:"PolicyName"`
	Document Policy `json:"PolicyDocument" yaml:"PolicyDocument"`
}

type output struct {
	Description string              `json:"Description" yaml:"Description"`
	Value       map[string][]string `json:"Value" yaml:"Value"`
}

// RoleTemplate returns the template of a role that a principal may assume with an
// external id, see TrustPolicy. A role without name gets one by CloudFormation.
// What AWS would not take is refused with fault.Invalid.
func RoleTemplate(p Partition, roleName, principal, externalID string) (Template, error) {
	if roleName != "" && !roleNameForm.MatchString(roleName) {
		return Template{}, fault.Newf(fault.Invalid, "the role name %q does not have 1 to 64 letters, digits and characters of _+=,.@-", roleName)
	}
	trust, err := TrustPolicy(p, principal, externalID)
	if err != nil {
		return Template{}, err
	}
	return Template{
		Version:     "2010-09-09", // of the template language
		Description: "Role that lets Vedette list EC2 instances (" + p.Name() + ")",
		Resources: map[string]resource{"ConnectorRole": {
			Type: "AWS::IAM::Role",
			Properties: roleProperties{
				RoleName: roleName, Description: "Lets Vedette list EC2 instances", Trust: trust,
				Policies: []namedPolicy{{Name: "ListInstances", Document: PermissionPolicy()}},
			},
		}},
		Outputs: map[string]output{"RoleArn": {
			Description: "What the connector is given as its role",
			Value:       map[string][]string{"Fn::GetAtt": {"ConnectorRole", "Arn"}},
		}},
	}, nil
}

// JSON returns the document, indented.
func (p Policy) JSON() ([]byte, error) { return renderJSON(p) }

// YAML returns the document.
func (p Policy) YAML() ([]byte, error) { return renderYAML(p) }

// JSON returns the template, indented.
func (t Template) JSON() ([]byte, error) { return renderJSON(t) }

// YAML returns the template.
func (t Template) YAML() ([]byte, error) { return renderYAML(t) }

func renderJSON(document any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	return text.Bytes(), err
}

func renderYAML(document any) ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(document)
	return text.Bytes(), err
}
