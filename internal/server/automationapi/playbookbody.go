package automationapi

// The bodies about playbooks. Members that are left out are nil where that differs
// from an empty value.
type (
	newPlaybook struct {
		Site *reference `json:"site"`
		Text string     `json:"text"`
	}
	playbookText struct {
		Text string `json:"text"`
		Base int64  `json:"base"`
	}
	publication struct {
		Version int64 `json:"version"`
	}
	playbookRequest struct {
		Inputs  inputValues `json:"inputs"`
		Version *int64      `json:"version"`
		Draft   bool        `json:"draft"`
	}
	newPlaybookSecret struct {
		Secret string `json:"secret"`
	}
	questionAnswer struct {
		Answer  string `json:"answer"`
		Comment string `json:"comment"`
	}
)

// UnmarshalJSON refuses members it does not know, as those below do.
func (b *newPlaybook) UnmarshalJSON(doc []byte) error {
	type plain newPlaybook
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *playbookText) UnmarshalJSON(doc []byte) error {
	type plain playbookText
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *publication) UnmarshalJSON(doc []byte) error {
	type plain publication
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *playbookRequest) UnmarshalJSON(doc []byte) error {
	type plain playbookRequest
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newPlaybookSecret) UnmarshalJSON(doc []byte) error {
	type plain newPlaybookSecret
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *questionAnswer) UnmarshalJSON(doc []byte) error {
	type plain questionAnswer
	return decodeStrictly(doc, (*plain)(b))
}
