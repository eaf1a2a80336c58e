package access

import "time"

// MaxTokenLife is how long an API token may last at most.
const MaxTokenLife = 365 * 24 * time.Hour

// Token is an API token of a user, without the secret itself, which is shown
// once and never stored.
type Token struct {
	ID      int64
	UserID  int64
	Name    string // the user's, to tell their tokens apart
	Created time.Time
	Expires time.Time
}
