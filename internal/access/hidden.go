package access

import "errors"

// errHidden marks the refusal of something that exists and must not be known to.
var errHidden = errors.New("it exists, and is hidden from who asks")

// hidden is a failure that says an object does not exist, although it does.
type hidden struct{ error }

func (h hidden) Unwrap() []error { return []error{h.error, errHidden} }

// Hidden marks the failure that is answered, instead of a refusal, to somebody who
// must not know that an object exists. Others read it as what it says; the audit log
// has it as the refusal it is, see IsHidden.
func Hidden(notFound error) error { return hidden{notFound} }

// IsHidden reports whether a failure was marked by Hidden.
func IsHidden(err error) bool { return errors.Is(err, errHidden) }
