package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agentwire"
)

// Probe reports whether the platform of an agent answers, as nil, without
// disturbing the agent: whatever it answers over a connection that TLS has
// verified. It is for whoever has to tell an agent that does not work from a
// platform that is out of reach.
func Probe(ctx context.Context, stateDir string, proxies *proxy.Settings) error {
	dir := &folder{files: diskFiles{stateDir}, now: time.Now}
	var id identity
	if err := dir.read(identityFile, &id); err != nil {
		return err
	}
	transport, err := NewTransport(id.CA, proxies)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(id.ServerURI, "/")+agentwire.PathAuthority, http.NoBody)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	request.Close = true
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusServiceUnavailable {
		return errors.New("platform answered " + response.Status)
	}
	return nil
}
