package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnAgentRecoversFromFilesThatAreHalfThere cuts every file of the state folder
// but the identity to the same part, all at once, as a crash of the file system
// may. The agent works again without anybody's help, as the same asset.
func TestAnAgentRecoversFromFilesThatAreHalfThere(t *testing.T) {
	t.Parallel()
	l := newLife(t, 0)
	l.tend()
	l.startAgent()
	l.converge()
	for _, part := range []struct {
		name string
		of   func(size int) int
	}{
		{"nothing", func(int) int { return 0 }},
		{"one byte", func(int) int { return 1 }},
		{"half", func(size int) int { return size / 2 }},
		{"all but one byte", func(size int) int { return size - 1 }},
	} {
		l.agent.kill()
		l.truncate(part.of)
		l.host.install(t, strings.ReplaceAll(part.name, " ", "-"), "1.0")
		l.startAgent()
		l.launch()
		l.converge()
	}
	l.check()
}

// truncate cuts the files of the agent that it can do without.
func (l *life) truncate(to func(size int) int) {
	l.t.Helper()
	cut := 0
	for _, name := range []string{"state.json", "sequence.json", "profile.json", "manifest.json", "snapshots/*.zst"} {
		paths, err := filepath.Glob(filepath.Join(l.agent.state, name))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, int64(to(int(info.Size()))))
			}
			if err != nil {
				l.t.Fatal(err)
			}
			cut++
		}
	}
	if cut < 5 {
		l.t.Fatalf("only %d files were there to be cut", cut)
	}
}

// TestAnAgentWithoutItsIdentitySaysHowToGetItBack cuts the identity, then the key.
// The agent never makes another one by itself: the host would be a second asset.
func TestAnAgentWithoutItsIdentitySaysHowToGetItBack(t *testing.T) {
	t.Parallel()
	l := newLife(t, 0)
	l.tend()
	l.startAgent()
	l.converge()
	for _, name := range []string{"identity.json", "host.key"} {
		path := filepath.Join(l.agent.state, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			l.agent.kill()
			if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
				t.Fatal(err)
			}
			said := len(l.agent.said(t))
			l.startAgent()
			eventually(t, "the agent has ended", func() bool { _, ended := l.agent.hasEnded(); return ended })
			code, _ := l.agent.hasEnded()
			if text := l.agent.said(t)[said:]; code != 1 || !strings.Contains(text, "restore ") || !strings.Contains(text, name) || !strings.Contains(text, " away to register this host") {
				t.Errorf("with %s cut to %d bytes it ended with code %d and said %q", name, size, code, text)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		l.host.install(t, fmt.Sprintf("after-%s", name), "1.0")
		l.startAgent()
		l.launch()
		l.converge()
	}
	l.check()
}
