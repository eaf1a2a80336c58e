package backup

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// Format is the version of the archive's layout that this package writes and
// the highest it reads. Files of the first had at most a megabyte.
const Format = 2

// Names in an archive.
const (
	manifestName = "manifest.json"
	databaseName = "database"
	filePrefix   = "data/" // of the data folder's files
)

const (
	// MaxFileBytes bounds a file of the data folder: packages of the agent are the
	// largest.
	MaxFileBytes = 64 << 20
	// MaxFiles bounds how many there are.
	MaxFiles = 1000
	// maxManifestBytes has room for MaxFiles entries.
	maxManifestBytes = 1 << 20
	// maxNameBytes bounds the name of a member.
	maxNameBytes = 300
)

// Engine is the database that a backup holds.
type Engine string

// The engines.
const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgresql"
)

// Database says what the copy of a database is.
type Database struct {
	Engine Engine `json:"engine"`
	Schema int64  `json:"schema"` // number of the last migration
	// Server and Tool are the major versions of the PostgreSQL server and of the
	// pg_dump that made the copy; 0 on SQLite.
	Server int `json:"serverVersion,omitempty"`
	Tool   int `json:"toolVersion,omitempty"`
}

// Manifest is the first member of a backup.
type Manifest struct {
	Format   int       `json:"format"`
	Vedette  string    `json:"vedette"` // version of the program that made it
	Created  time.Time `json:"created"` // when the copy of the database was begun
	Database Database  `json:"database"`
	Members  []Member  `json:"members"` // in the order of the archive, without the manifest
}

// Member is one file in a backup.
type Member struct {
	Name   string      `json:"name"`
	Size   int64       `json:"size"` // bytes
	SHA256 string      `json:"sha256"`
	Mode   fs.FileMode `json:"mode"` // permissions
}

// File returns the member's path in the data folder, with slashes; false for the
// database.
func (m Member) File() (string, bool) { return strings.CutPrefix(m.Name, filePrefix) }

// Bytes is how much the members hold.
func (m *Manifest) Bytes() int64 {
	var total int64
	for _, member := range m.Members {
		total += member.Size
	}
	return total
}

// damaged is the error for an archive that must not be used.
func damaged(format string, args ...any) error {
	return fault.New(fault.Conflict, "The backup is damaged: "+fmt.Sprintf(format, args...)+".", "Use another backup.")
}

// check refuses a manifest that announces what no backup holds. Whatever writes
// files by its names is safe after that.
func (m *Manifest) check() error {
	switch {
	case m.Format > Format:
		return fault.New(fault.Conflict, fmt.Sprintf("The backup was made by vedette %s in format %d; this program reads formats up to %d.", m.Vedette, m.Format, Format),
			fmt.Sprintf("Use vedette %s or newer.", m.Vedette))
	case m.Format < 1:
		return damaged("its manifest names format %d", m.Format)
	case m.Database.Engine != SQLite && m.Database.Engine != PostgreSQL:
		return damaged("its manifest names the database engine %q, which is neither %s nor %s", m.Database.Engine, SQLite, PostgreSQL)
	case len(m.Members) == 0 || m.Members[0].Name != databaseName:
		return damaged("its manifest does not begin with the database")
	case len(m.Members) > MaxFiles+1:
		return damaged("its manifest has %d members, allowed are %d", len(m.Members), MaxFiles+1)
	}
	seen := make(map[string]bool, len(m.Members))
	for i, member := range m.Members {
		if err := member.check(i == 0); err != nil {
			return err
		}
		if seen[member.Name] {
			return damaged("its manifest names %q twice", member.Name)
		}
		seen[member.Name] = true
	}
	return nil
}

func (m Member) check(database bool) error {
	path, inFolder := m.File()
	digest, err := hex.DecodeString(m.SHA256)
	switch {
	case len(m.Name) > maxNameBytes:
		return damaged("its manifest has a name of %d bytes, allowed are %d", len(m.Name), maxNameBytes)
	case !database && (!inFolder || path == "." || !fs.ValidPath(path) || !filepath.IsLocal(filepath.FromSlash(path)) || strings.ContainsAny(path, `\:`)):
		return damaged("its manifest names %q, which is no file of a data folder", m.Name)
	case m.Size < 0 || !database && m.Size > MaxFileBytes:
		return damaged("its manifest gives %q a size of %d bytes, allowed are %d", m.Name, m.Size, MaxFileBytes)
	case err != nil || len(digest) != 32:
		return damaged("its manifest gives %q the digest %.80q, which is no SHA-256", m.Name, m.SHA256)
	case m.Mode&^fs.ModePerm != 0:
		return damaged("its manifest gives %q the mode %v, which is more than permissions", m.Name, m.Mode)
	}
	return nil
}
