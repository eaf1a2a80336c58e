package collect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	scalibrfs "github.com/google/osv-scalibr/fs"
	"github.com/google/osv-scalibr/plugin"
	"github.com/google/osv-scalibr/stats"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// kindDeb is the kind of a package that dpkg installed.
	kindDeb = "deb"
	// maxPackageDatabaseBytes bounds one package database. A desktop with 5,000
	// packages has 6 MB.
	maxPackageDatabaseBytes = 64 << 20
	// maxPackageInodes bounds the walk through dpkg/status.d, one file per package.
	maxPackageInodes = 20_000

	dpkgFolder   = "var/lib/dpkg"
	dpkgStatus   = dpkgFolder + "/status"
	dpkgStatusD  = dpkgFolder + "/status.d" // one file per package: images without dpkg
	statusField  = "status"
	packageField = "package"
)

// software returns the installed packages: what `dpkg-query -W` lists with the
// status "installed". Packages that are half-installed, unpacked, waiting for
// triggers or removed but for their configuration are not installed. What a dpkg
// that runs at this moment holds in its journal is seen by the next scan.
func software(ctx context.Context, env Env) ([]agentwire.Software, error) {
	root, err := openRoot(env.RootDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	databases, err := packageDatabases(root)
	if err != nil || len(databases) == 0 {
		return nil, err
	}
	dpkgExtractor, err := dpkg.New(&cpb.PluginConfig{MaxFileSizeBytes: maxPackageDatabaseBytes})
	if err != nil {
		return nil, fmt.Errorf("set up the dpkg extractor: %w", err)
	}
	found, status, err := filesystem.Run(ctx, &filesystem.Config{
		Extractors:     []filesystem.Extractor{&paced{Extractor: dpkgExtractor, pause: env.Pause}},
		ScanRoots:      []*scalibrfs.ScanRoot{{FS: root}},
		PathsToExtract: databases,
		MaxInodes:      maxPackageInodes,
		MaxFileSize:    maxPackageDatabaseBytes,
		Stats:          stats.NoopCollector{},
		// Without it an unreadable database is a log line and no packages.
		ErrorOnFSErrors: true,
	})
	if err != nil {
		return nil, fmt.Errorf("read package database: %w", err)
	}
	if err := complete(status); err != nil {
		return nil, fmt.Errorf("read package database: %w", err)
	}
	return debs(found.Packages)
}

// packageDatabases returns which databases of dpkg exist, and refuses those that
// are visibly damaged: half a list of packages is worse than an old one.
func packageDatabases(root *rootFS) ([]string, error) {
	if _, err := root.Stat(dpkgFolder); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // not a dpkg host
	}
	var found []string
	if file, err := root.open(dpkgStatus); err == nil {
		defer file.Close()
		if err := checkDatabase(file); err != nil {
			return nil, fmt.Errorf("package database %s: %w", dpkgStatus, err)
		}
		found = append(found, dpkgStatus)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open package database: %w", err)
	}
	if _, err := root.Stat(dpkgStatusD); err == nil {
		found = append(found, dpkgStatusD)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open package database: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("folder %s exists without a package database", dpkgFolder)
	}
	return found, nil
}

// checkDatabase finds what the extractor would pass over in silence: a database
// that is empty, too large, or cut short, and installed packages without version.
func checkDatabase(file fs.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Size() == 0:
		return errors.New("is empty")
	case info.Size() > maxPackageDatabaseBytes:
		return fmt.Errorf("has %d bytes, more than the %d allowed", info.Size(), maxPackageDatabaseBytes)
	}
	return checkStanzas(file)
}

// stanza is what checkStanzas remembers of one entry of a package database.
type stanza struct {
	name                       string
	status, installed, version bool
}

func (s stanza) check(last bool) error {
	switch {
	case s.installed && (s.name == "" || !s.version):
		return fmt.Errorf("installed package %q lacks its name or version", s.name)
	case last && s.name != "" && !s.status:
		return fmt.Errorf("ends within the entry of package %q", s.name)
	}
	return nil
}

func checkStanzas(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var current stanza
	continued := false // within a line longer than the buffer, of which only the beginning matters
	for {
		line, err := lines.ReadSlice('\n')
		whole := err == nil
		switch {
		case errors.Is(err, io.EOF) && (len(line) > 0 || continued):
			return fmt.Errorf("ends within the entry of package %q: no newline at the end", current.name)
		case errors.Is(err, io.EOF):
			return current.check(true)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		case continued:
		case len(bytes.TrimSpace(line)) == 0 && whole:
			if err := current.check(false); err != nil {
				return err
			}
			current = stanza{}
		default:
			current.note(line)
		}
		continued = !whole
	}
}

func (s *stanza) note(line []byte) {
	field, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return
	}
	value = bytes.TrimSpace(value)
	switch string(bytes.ToLower(field)) {
	case packageField:
		s.name = string(value[:min(len(value), maxTextBytes)])
	case statusField:
		s.status = true
		s.installed = bytes.HasSuffix(value, []byte(" installed"))
	case "version":
		s.version = len(value) > 0
	}
}

// complete turns a partial success into a failure.
func complete(status []*plugin.Status) error {
	for _, s := range status {
		if s.Status.Status != plugin.ScanStatusSucceeded {
			for _, file := range s.Status.FileErrors {
				return fmt.Errorf("%s: %s", file.FilePath, file.ErrorMessage)
			}
			return errors.New(s.Status.FailureReason)
		}
	}
	return nil
}

func debs(packages []*extractor.Package) ([]agentwire.Software, error) {
	found := make([]agentwire.Software, 0, len(packages))
	for _, p := range packages {
		meta, ok := p.Metadata.(*dpkgmeta.Metadata)
		if !ok {
			return nil, fmt.Errorf("package %s carries no dpkg metadata", p.Name)
		}
		deb := agentwire.Software{Kind: kindDeb, Name: p.Name, Version: p.Version, Architecture: meta.Architecture}
		if meta.SourceName != p.Name {
			deb.SourceName = meta.SourceName
		}
		if meta.SourceVersion != p.Version {
			deb.SourceVersion = meta.SourceVersion
		}
		found = append(found, deb)
	}
	return found, nil
}
