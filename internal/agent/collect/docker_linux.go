package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// dockerTimeout bounds the question to the engine. An engine that is busy
	// starting containers may take longer; the host is a Docker host all the same.
	dockerTimeout = 2 * time.Second
	// maxDockerAnswerBytes bounds its answer, usually 5 KB.
	maxDockerAnswerBytes = 1 << 20
	dockerSocket         = "run/docker.sock"
)

// docker reports whether a Docker engine is installed, and what it says of
// itself if it answers at once.
func docker(ctx context.Context, root *rootFS) (bool, *agentwire.Docker) {
	if info, err := root.lstat(dockerSocket); err == nil && info.Mode().Type() == fs.ModeSocket {
		engine, err := askDocker(ctx, filepath.Join(root.dir, dockerSocket))
		if err != nil {
			return true, nil // installed but silent: stopped, slow, or not for us
		}
		return true, engine
	}
	for _, binary := range []string{"usr/bin/dockerd", "usr/sbin/dockerd", "usr/local/bin/dockerd", "var/snap/docker"} {
		if _, err := root.lstat(binary); err == nil {
			return true, nil
		}
	}
	return false, nil
}

// askDocker asks the engine behind a socket (Docker Engine API, SystemInfo).
func askDocker(ctx context.Context, socket string) (*agentwire.Docker, error) {
	ctx, cancel := context.WithTimeout(ctx, dockerTimeout)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/info", nil)
	if err != nil {
		return nil, err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask docker engine: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask docker engine: status %s", answer.Status)
	}
	var info struct {
		ServerVersion      string
		Containers, Images int
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxDockerAnswerBytes)).Decode(&info); err != nil {
		return nil, fmt.Errorf("read docker engine's answer: %w", err)
	}
	return &agentwire.Docker{Version: info.ServerVersion, Containers: info.Containers, Images: info.Images}, nil
}
