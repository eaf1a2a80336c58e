package collect

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// inRoot is an Env whose root folder lies at dir.
func inRoot(t *testing.T, dir string) Env {
	t.Helper()
	absolute, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Env{RootDir: absolute, Now: func() time.Time { return time.Date(2031, 7, 1, 12, 0, 0, 0, time.UTC) }, Pause: noPause}
}

// rootWith makes a root folder with the given files.
func rootWith(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAccountsOfAPasswdWithOddLines(t *testing.T) {
	t.Parallel()
	got, err := accounts(t.Context(), inRoot(t, "testdata/debian"))
	if err != nil {
		t.Fatal(err)
	}
	want := []agentwire.Account{{Username: "root"}, {Username: "daemon"}, {Username: "indented"}, {Username: "short"}, {Username: "müller"}, {Username: "nobody"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

func TestSoftwareIsWhatIsInstalled(t *testing.T) {
	t.Parallel()
	got, err := software(t.Context(), inRoot(t, "testdata/debian"))
	if err != nil {
		t.Fatal(err)
	}
	want := []agentwire.Software{
		{Kind: "deb", Name: "base-files", Version: "12.4+deb12u11", Architecture: "amd64"},
		{Kind: "deb", Name: "libssl3", Version: "3.0.16-1~deb12u1", Architecture: "amd64", SourceName: "openssl"},
		{Kind: "deb", Name: "libssl3", Version: "3.0.16-1~deb12u1", Architecture: "i386", SourceName: "openssl"},
		{Kind: "deb", Name: "bash", Version: "5.2.15-2+b8", Architecture: "amd64", SourceVersion: "5.2.15-2"},
		{Kind: "deb", Name: "zz-all", Version: "1:2.0-3", Architecture: "all"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("software (-want +got):\n%s", diff)
	}
}

func TestHostFactsFromFiles(t *testing.T) {
	t.Parallel()
	got, err := host(t.Context(), inRoot(t, "testdata/debian"))
	if err != nil {
		t.Fatal(err)
	}
	if got.OS != "Debian GNU/Linux 12 (bookworm)" || got.OSID != "debian" || got.OSVersion != "12.11" || got.Platform != "Linux" {
		t.Errorf("system is %q, %q, %q on %q", got.OS, got.OSID, got.OSVersion, got.Platform)
	}
	if got.Timezone != "UTC" {
		t.Errorf("time zone of a host without localtime is %q, want UTC", got.Timezone)
	}
}

func TestTimeZoneFollowsAnAbsoluteLinkWithinTheRoot(t *testing.T) {
	t.Parallel()
	zone, err := os.ReadFile("testdata/Phoenix.tzif")
	if err != nil {
		t.Fatal(err)
	}
	dir := rootWith(t, map[string]string{"etc/hostname": "x\n", "usr/share/zoneinfo/America/Phoenix": string(zone)})
	if err := os.Symlink("/usr/share/zoneinfo/America/Phoenix", filepath.Join(dir, "etc/localtime")); err != nil {
		t.Fatal(err)
	}
	got, err := host(t.Context(), inRoot(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if got.Timezone != "-07:00" {
		t.Errorf("time zone is %q, want -07:00", got.Timezone)
	}
}

func TestTheInstanceOfACloudIsAFactOfItsHost(t *testing.T) {
	t.Parallel()
	told := &agentwire.Cloud{Provider: agentwire.CloudAWS, InstanceID: "i-0a"}
	for name, test := range map[string]struct {
		cloud func(context.Context) (*agentwire.Cloud, error)
		want  *agentwire.Cloud
	}{
		"told":              {func(context.Context) (*agentwire.Cloud, error) { return told, nil }, told},
		"not asked":         {nil, nil},
		"without an answer": {func(context.Context) (*agentwire.Cloud, error) { return nil, errors.New("timed out") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := inRoot(t, rootWith(t, map[string]string{"etc/hostname": "x\n"}))
			env.Cloud = test.cloud
			got, err := host(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			if got.Cloud != test.want || got.Name == "" {
				t.Errorf("host %q is instance %+v, want %+v", got.Name, got.Cloud, test.want)
			}
		})
	}
}

func TestNothingToReportIsNoFailure(t *testing.T) {
	t.Parallel()
	env := inRoot(t, rootWith(t, map[string]string{"etc/hostname": "x\n"}))
	for _, name := range []string{Host, Software, Accounts} {
		var snapshot agentwire.Snapshot
		if _, err := collector(t, name).Collect(t.Context(), env, &snapshot); err != nil {
			t.Errorf("%s of a root with nothing of it: %v", name, err)
		}
	}
}

func TestDamageIsAFailureThatLeavesTheSnapshotAlone(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("testdata/debian/var/lib/dpkg/status")
	if err != nil {
		t.Fatal(err)
	}
	status := string(whole)
	for _, test := range []struct {
		name, collector string
		files           map[string]string
		want            string // within the error
	}{
		{"package database cut within a line", Software, map[string]string{dpkgStatus: strings.TrimSuffix(status, "with an epoch\n\n")}, "no newline at the end"},
		{"package database cut after a package's name", Software, map[string]string{dpkgStatus: status + "Package: cut\n"}, `ends within the entry of package "cut"`},
		{"package database cut before a package's version", Software, map[string]string{dpkgStatus: status + "Package: cut\nStatus: install ok installed\n"}, "lacks its name or version"},
		{"empty package database", Software, map[string]string{dpkgStatus: ""}, "is empty"},
		{"package database with a line that is none", Software, map[string]string{dpkgStatus: status + "no field at all\n\n"}, "malformed"},
		{"package database with an impossible status", Software, map[string]string{dpkgStatus: "Package: x\nStatus: installed\nVersion: 1\n\n"}, "Status"},
		{"folder in place of the package database", Software, map[string]string{dpkgStatus + "/x": "x"}, "not a regular file"},
		{"package database gone", Software, map[string]string{dpkgFolder + "/arch": "amd64\n"}, "without a package database"},
		{"passwd cut to nothing", Accounts, map[string]string{"etc/passwd": ""}, "holds no account"},
		{"folder in place of os-release", Host, map[string]string{"etc/os-release/x": ""}, "os-release"},
		{"root folder that nothing is mounted on", Software, nil, "no file system is mounted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := agentwire.Snapshot{
				Host:     agentwire.Host{Name: "before"},
				Software: []agentwire.Software{{Name: "before"}},
				Accounts: []agentwire.Account{{Username: "before"}},
			}
			after := before
			_, err := collector(t, test.collector).Collect(t.Context(), inRoot(t, rootWith(t, test.files)), &after)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("snapshot changed (-before +after):\n%s", diff)
			}
		})
	}
}

func collector(t *testing.T, name string) Collector {
	t.Helper()
	for _, c := range All() {
		if c.Name() == name {
			return c
		}
	}
	t.Fatalf("no collector %q", name)
	return nil
}

func TestRootFolderThatIsNot(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", "relative", "/does/not/exist"} {
		if _, err := software(t.Context(), Env{RootDir: dir, Pause: noPause}); err == nil {
			t.Errorf("root folder %q was accepted", dir)
		}
	}
}

func TestMountedRootIsNotLeft(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(rootWith(t, map[string]string{"passwd": "outsider:x:1:1::/:\n"}), "passwd")
	for _, test := range []struct {
		name string
		make func(path string) error
		want error
	}{
		{"by an absolute link", func(path string) error { return os.Symlink(outside, path) }, fs.ErrNotExist},
		{"by a relative link", func(path string) error { return os.Symlink("../../../../../../../../../.."+outside, path) }, nil},
		{"by a link to itself", func(path string) error { return os.Symlink("passwd", path) }, nil},
		{"through a FIFO, which blocks", func(path string) error { return syscall.Mkfifo(path, 0o644) }, errNotRegular},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := rootWith(t, map[string]string{"etc/hostname": "x\n"})
			if err := test.make(filepath.Join(dir, "etc/passwd")); err != nil {
				t.Fatal(err)
			}
			root, err := openRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			content, err := root.read("etc/passwd", maxPasswdBytes)
			if err == nil {
				t.Fatalf("read %q", content)
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
		})
	}
}

func TestFilesAreReadToALimit(t *testing.T) {
	t.Parallel()
	root, err := openRoot(rootWith(t, map[string]string{"f": "12345"}))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if got, err := root.read("f", 5); err != nil || string(got) != "12345" {
		t.Errorf("read at the limit = %q, %v", got, err)
	}
	if got, err := root.read("f", 4); err == nil {
		t.Errorf("read beyond the limit = %q, want an error", got)
	}
}

func FuzzCheckStanzas(f *testing.F) {
	f.Add("Package: a\nStatus: install ok installed\nVersion: 1\n\n")
	f.Add("Package: a\nStatus: install ok installed\n\n")
	f.Add(strings.Repeat("x", 70<<10) + "\n")
	f.Fuzz(func(t *testing.T, database string) {
		err := checkStanzas(strings.NewReader(database))
		if err == nil && database != "" && !strings.HasSuffix(database, "\n") {
			t.Fatalf("a database cut within its last line passed: %q", database)
		}
	})
}

// dockerHost is a root folder with a socket that answers every request so.
func dockerHost(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "root") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, dockerSocket))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("engine: %v", err)
		}
	})
	return dir
}

func TestDocker(t *testing.T) {
	t.Parallel()
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/info" {
				status, body = http.StatusNotFound, r.URL.Path
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, test := range []struct {
		name   string
		root   func(t *testing.T) string
		isHost bool
		engine *agentwire.Docker
	}{
		{"no engine", func(t *testing.T) string { return rootWith(t, map[string]string{"etc/hostname": "x"}) }, false, nil},
		{"an engine that answers", func(t *testing.T) string {
			return dockerHost(t, says(200, `{"ServerVersion":"27.1.1","Containers":3,"Images":12,"NCPU":4}`))
		}, true, &agentwire.Docker{Version: "27.1.1", Containers: 3, Images: 12}},
		{"an engine that refuses", func(t *testing.T) string { return dockerHost(t, says(403, "no")) }, true, nil},
		{"something else behind the socket", func(t *testing.T) string { return dockerHost(t, says(200, "hello")) }, true, nil},
		{"an engine that is installed but not running", func(t *testing.T) string {
			return rootWith(t, map[string]string{"usr/bin/dockerd": "x"})
		}, true, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root, err := openRoot(test.root(t))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			isHost, engine := docker(t.Context(), root)
			if isHost != test.isHost {
				t.Errorf("Docker host is %t, want %t", isHost, test.isHost)
			}
			if diff := cmp.Diff(test.engine, engine); diff != "" {
				t.Errorf("engine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSilentDockerEngineIsNotWaitedForAfterTheScan(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	root, err := openRoot(dockerHost(t, func(_ http.ResponseWriter, r *http.Request) {
		stop() // the scan is stopped while the engine thinks
		<-r.Context().Done()
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if isHost, engine := docker(ctx, root); !isHost || engine != nil {
		t.Errorf("docker = %t, %+v, want a host with a silent engine", isHost, engine)
	}
}

// noPause is the pause of a scan without a throttle.
func noPause(ctx context.Context) error { return ctx.Err() }

func TestPausesLieBetweenTheFilesOfACollector(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, dpkgStatusD)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"base-files", "libc6", "openssl", "tzdata"} {
		stanza := "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(stanza), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pauses := 0
	found, err := software(t.Context(), Env{RootDir: dir, Pause: func(context.Context) error { pauses++; return nil }})
	if err != nil || len(found) != 4 || pauses != 3 {
		t.Errorf("%d packages with %d pauses, error %v; want 4 with a pause between two", len(found), pauses, err)
	}
}

func TestAScanThatIsStoppedInAPauseEndsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, dpkgStatusD)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"libc6", "tzdata"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("Package: "+name+"\nVersion: 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	found, err := software(ctx, Env{RootDir: dir, Pause: func(ctx context.Context) error { stop(); return ctx.Err() }})
	if err == nil {
		t.Errorf("%d packages without an error, want none of half the files", len(found))
	}
}
