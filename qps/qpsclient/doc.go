// Package qpsclient calls a platform that speaks the QPS API: a Qualys
// subscription or a Vedette platform. [Client] is the main type.
//
//	c, err := qpsclient.New(qpsclient.Config{
//		BaseURL: "https://qualysapi.qg2.apps.qualys.com", Username: user, Password: password,
//	})
//	agents := []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}}
//	for page, err := range c.SearchHostAssets(ctx, qpsclient.HostAssetSearch{Criteria: agents}) {
//		…
//	}
//
// # Errors
//
// An answer whose envelope reports a failure has a [*qps.ResponseError] in its
// chain, whatever the HTTP status was: Qualys reports most failures, wrong
// credentials included, with status 200. An answer with another status than 2xx
// has a [*StatusError], and around an envelope both. No usable answer at all is
// a [*TransportError]. The end of the caller's context comes back as such.
//
// # Retries
//
// Reads are repeated after the statuses 429, 502, 503 and 504, after a 409 that
// is a rate or concurrency refusal, and after failures of the network, all but a
// connection that this machine itself refuses. A write
// is repeated only when the answer says that it was refused before it acted:
// 429, 503, or such a 409. The wait is what X-RateLimit-ToWait-Sec or
// Retry-After ask for, otherwise it grows exponentially from BaseDelay with
// full jitter. A call gives up after MaxTries attempts, when the platform asks
// for more than MaxDelay or Config.MaxWait, and when the context would end before
// the wait does.
//
// A context of [WithIdempotencyKey] marks writes so that a platform can tell
// repetitions; [Client.Rehearse] shows writes without sending them.
//
// # Credentials
//
// Name and password, or a token, are sent with every request to the configured
// scheme, host and port and nowhere else: a redirect that leaves them, or that
// answers a POST, is an error. Nothing is logged, and errors hold no credentials.
//
// # Limits
//
// An answer is read up to [qps.MaxResponseBytes] and within the time limit of
// an attempt, [AttemptTimeout]; downloads of agent packages have limits of their
// own, [MaxBinaryBytes] and [DownloadTimeout]. A Client is safe for concurrent use.
package qpsclient
