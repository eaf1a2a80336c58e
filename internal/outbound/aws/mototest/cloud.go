package mototest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"vedette.dev/vedette/internal/connector"
)

// Cloud is the AWS of one test. It is safe for concurrent use.
type Cloud struct {
	tb    testing.TB
	front *front

	mu       sync.Mutex
	enforced bool
	pages    int
	faults   []*breakage
	requests []Request
}

type breakage struct {
	Breakage
	seen int
}

// New returns an AWS without accounts. The test fails when moto cannot be had.
func New(tb testing.TB) *Cloud {
	tb.Helper()
	f, err := start()
	if err != nil {
		tb.Fatalf("this test needs an AWS: %v", err)
	}
	c := &Cloud{tb: tb, front: f}
	tb.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for key, owner := range f.keys {
			if owner == c {
				delete(f.keys, key)
			}
		}
	})
	return c
}

// Enforce makes AWS check, from now on, signatures, IAM policies and the trust
// policies of roles. What a test sets up by Account is not subject to them.
func (c *Cloud) Enforce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enforced = true
}

// Pages makes DescribeInstances answer with at most so many reservations at once,
// as AWS may, whatever was asked for. It changes the request, so that signatures
// are wrong where they are enforced.
func (c *Cloud) Pages(reservations int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = reservations
}

// Break makes requests fail that come from now on.
func (c *Cloud) Break(b Breakage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &breakage{Breakage: b})
}

// Mend ends every Break.
func (c *Cloud) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// Requests returns the requests for an action so far, in the order they came;
// all of them for an empty action.
func (c *Cloud) Requests(action string) []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.requests), func(r Request) bool { return action != "" && r.Action != action })
}

// WrongKeys returns access keys that AWS does not know. Without Enforce they open
// an account that is nobody's.
func (c *Cloud) WrongKeys() connector.Credentials {
	key := fmt.Sprintf("AKIAWRONG%011d", c.front.number())
	c.front.own(key, c)
	return connector.Credentials{AccessKeyID: key, SecretKey: "a secret that AWS did not give out"}
}

// observe notes a request and says what shall become of it.
func (c *Cloud) observe(r Request) (fault Fault, enforced bool, pages int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
	for _, b := range c.faults {
		if b.hits(r) {
			return b.Fault, c.enforced, c.pages
		}
	}
	return nil, c.enforced, c.pages
}

// number returns one that no test got before.
func (f *front) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts++
	return f.accounts
}
