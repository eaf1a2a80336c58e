// Package shipped has the playbooks that come with the product. They are drafts
// to start from: who uses one saves it under a name of their own, or as it is.
package shipped

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Playbook is a playbook that comes with the product.
type Playbook struct {
	Name string // that in its text
	Text []byte // for playbook.Parse
}

// Playbooks returns all of them by their names in alphabetic order. The caller
// owns what is returned.
func Playbooks() ([]Playbook, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list shipped playbooks: %w", err)
	}
	list := make([]Playbook, len(names))
	for i, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read shipped playbook %s: %w", name, err)
		}
		list[i] = Playbook{strings.TrimSuffix(name, ".yaml"), text}
	}
	return list, nil
}
