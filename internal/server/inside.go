package server

import "net/http"

// Inner handles a request that a Guard has let through, and calls next to have
// the route's own handler do it. user is who asks.
type Inner func(w http.ResponseWriter, r *http.Request, user string, next http.Handler)

// Inside returns a copy of the route on which requests that its Guard has let
// through go to inner. A route without a Guard stays as it is: nobody is known
// there.
func (rt Route) Inside(inner Inner) Route {
	handler := rt.Handler
	rt.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).inner = inner
		handler.ServeHTTP(w, r)
	})
	return rt
}

// guarded returns what runs once a Guard has let a request of user through: h,
// or h behind what Inside has put there.
func (ex *exchange) guarded(user string, h http.Handler) http.Handler {
	if ex.inner == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ex.inner(w, r, user, h) })
}
