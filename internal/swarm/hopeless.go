package swarm

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
)

// enoughRefusals is how many agents a platform turns away before the swarm
// believes that it lets none in.
const enoughRefusals = 5

// whyNotIn names what keeps every agent out alike: a key that is refused, or a
// platform that cannot be connected to. It is empty for anything else, such as a
// platform that is busy.
func whyNotIn(response *http.Response, body []byte, err error) string {
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil:
		if why := refusalOf(response, body); strings.HasSuffix(why, " "+agentwire.ProblemKeyRefused) {
			return why
		}
	case errors.As(err, &certificate), errors.As(err, &dial) && dial.Op == "dial":
		if why := failureOf(err); why != outOfSockets {
			return why
		}
	}
	return ""
}

// refused notes why an agent got no identity, unless that is nothing. When it is so
// for the first agents, the swarm gives up.
func (s *Swarm) refused(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why == "" || len(s.identities) > 0 {
		return
	}
	s.refusals++
	if s.refusals >= min(enoughRefusals, s.cfg.Agents) {
		s.abandon("the platform lets no agent in: " + why)
	}
}

// end notes that an agent ended by itself. When all have, the swarm gives up.
func (s *Swarm) end(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[why]++
	if s.countEnded() == s.cfg.Agents {
		s.abandon("all agents have ended: " + why)
	}
}

// abandon ends the run. The caller holds s.mu.
func (s *Swarm) abandon(why string) {
	if s.hopeless == "" {
		s.hopeless = why
		s.giveUp()
	}
}

// countEnded returns how many agents have ended by themselves. The caller holds
// s.mu.
func (s *Swarm) countEnded() (n int) {
	for _, agents := range s.ended {
		n += agents
	}
	return n
}

func (s *Swarm) endedSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countEnded()
}
