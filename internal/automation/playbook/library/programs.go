package library

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
)

// keptPrograms is how many compiled versions are kept. One of ten steps has some
// 200 KB.
const keptPrograms = 200

// Programs compiles versions. It is safe for concurrent use; the programs it returns
// are shared.
type Programs struct {
	Shelf Shelf

	mu   sync.Mutex
	kept map[string]*playbook.Program // by the id of the version, and those of what it calls
}

// Compile checks a text of a site against the commands and the live playbooks there
// are. What is wrong with the text are Problems.
func (p *Programs) Compile(ctx context.Context, siteID int64, source string) (*playbook.Program, playbook.Problems, error) {
	definition, problems := playbook.Parse([]byte(source))
	if problems != nil {
		return nil, problems, nil
	}
	var live []Version
	if len(definition.Calls()) > 0 {
		var err error
		if live, err = p.Shelf.LiveVersions(ctx, siteID); err != nil {
			return nil, nil, err
		}
	}
	return compile(definition, live)
}

// Compile checks a text against the commands there are and playbooks that are live.
// What is wrong with the text are Problems.
func Compile(source string, live []Version) (*playbook.Program, playbook.Problems, error) {
	definition, problems := playbook.Parse([]byte(source))
	if problems != nil {
		return nil, problems, nil
	}
	return compile(definition, live)
}

func compile(d *playbook.Definition, live []Version) (*playbook.Program, playbook.Problems, error) {
	around := &surroundings{live: map[string]Version{}, signatures: map[string]playbook.Signature{}}
	for _, v := range live {
		around.live[v.Playbook] = v
	}
	return playbook.Check(d, around)
}

// Program returns the program of a version, which may be without its text. One that does
// not fit what there is now is fault.Conflict.
func (p *Programs) Program(ctx context.Context, v Version) (*playbook.Program, error) {
	return p.program(ctx, fmt.Sprint(v.ID), []Version{v}, func(texts []Version) (*playbook.Program, playbook.Problems, error) {
		return p.Compile(ctx, v.SiteID, texts[0].Source)
	})
}

// Pinned returns the program of a version that calls these versions of other playbooks,
// whatever is live. None needs its text. One that does not fit them, or the commands
// there are now, is fault.Conflict.
func (p *Programs) Pinned(ctx context.Context, v Version, calls []Version) (*playbook.Program, error) {
	if len(calls) == 0 {
		return p.Program(ctx, v)
	}
	key := fmt.Sprint(v.ID)
	for _, called := range calls {
		key += fmt.Sprint(" ", called.ID, " ", called.Playbook)
	}
	return p.program(ctx, key, append([]Version{v}, calls...), func(texts []Version) (*playbook.Program, playbook.Problems, error) {
		return Compile(texts[0].Source, texts[1:])
	})
}

// program returns the program of the first of these versions that is kept by a key, or
// makes it of all of them, with their texts.
func (p *Programs) program(ctx context.Context, key string, of []Version, compiled func(texts []Version) (*playbook.Program, playbook.Problems, error)) (*playbook.Program, error) {
	p.mu.Lock()
	program := p.kept[key]
	p.mu.Unlock()
	if program != nil {
		return program, nil
	}
	if err := p.read(ctx, of); err != nil {
		return nil, err
	}
	program, problems, err := compiled(of)
	if err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Version %d of playbook '%s' does not fit what there is now: %s", of[0].Number, of[0].Playbook, problems[0]), "Save a version that does, and publish it.")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil || len(p.kept) >= keptPrograms {
		p.kept = map[string]*playbook.Program{}
	}
	p.kept[key] = program
	return program, nil
}

// read gives versions the texts that they lack.
func (p *Programs) read(ctx context.Context, of []Version) error {
	var lacking []int64
	for _, v := range of {
		if v.Source == "" {
			lacking = append(lacking, v.ID)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	texts, err := p.Shelf.Texts(ctx, lacking)
	if err != nil {
		return err
	}
	for i := range of {
		if of[i].Source != "" {
			continue
		}
		text, found := texts[of[i].ID]
		if !found {
			return fault.New(fault.NotFound, fmt.Sprintf("The playbook '%s' was deleted.", of[i].Playbook), "")
		}
		of[i].Source = text
	}
	return nil
}

// Calls returns the names of the playbooks that a text calls, whatever way it writes them;
// one that is no playbook calls none.
func Calls(source string) []string {
	d, problems := playbook.Parse([]byte(source))
	if problems != nil {
		return nil // of an older notation
	}
	return d.Calls()
}

// surroundings are the commands there are, and the live playbooks of a site.
type surroundings struct {
	playbook.Integrations
	live       map[string]Version
	signatures map[string]playbook.Signature // so far
}

// Playbook implements playbook.Surroundings.
func (s *surroundings) Playbook(name string) (playbook.Signature, bool) {
	v, known := s.live[name]
	if !known {
		return playbook.Signature{}, false
	}
	if signature, seen := s.signatures[name]; seen {
		return signature, true
	}
	definition, problems := playbook.Parse([]byte(v.Source))
	if problems != nil {
		return playbook.Signature{}, false // of an older notation
	}
	// This is all that is said of one that does not fit any more, or calls itself.
	s.signatures[name] = playbook.Signature{Inputs: definition.Inputs, Calls: definition.Calls()}
	if program, _, err := playbook.Check(definition, s); err == nil && program != nil {
		s.signatures[name] = program.Signature()
	}
	return s.signatures[name], true
}

// PlaybookNames implements playbook.Surroundings.
func (s *surroundings) PlaybookNames() []string { return slices.Collect(maps.Keys(s.live)) }
