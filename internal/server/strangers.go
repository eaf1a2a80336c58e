package server

import (
	"net/http"

	"vedette.dev/vedette/internal/access"
)

// Strangers lets requests through whose senders nobody knows, for handlers that verify
// them by something else than credentials, and bounds what each address may ask. An
// IPv6 address counts as its network.
type Strangers struct {
	// Limits are those of each address, nil for none.
	Limits *Limits
	// Budget is the concurrency that the requests count against, of which one address
	// has its share; nil for none.
	Budget *Budget
}

// Admit returns h within the bounds. It is given the IP address that a request came
// from.
func (s Strangers) Admit(h func(w http.ResponseWriter, r *http.Request, address string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address := addressOf(r)
		network := access.NetworkOf(address)
		leave, err := s.Limits.admit(w, network)
		if err != nil {
			Fail(w, r, err)
			return
		}
		defer leave()
		release, err := s.Budget.AcquireFor(network)
		if err != nil {
			Fail(w, r, err)
			return
		}
		defer release()
		h(w, r, address)
	})
}
