package expression

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// provider tells CEL of the objects of a scope, beside the types it knows.
type provider struct {
	types.Provider
	objects map[string]Type // by name
}

func newProvider(base types.Provider, variables map[string]Type) (*provider, error) {
	p := &provider{base, map[string]Type{}}
	for _, t := range variables {
		if err := p.add(t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add registers the objects in a type.
func (p *provider) add(t Type) error {
	if t.elem != nil {
		return p.add(*t.elem)
	}
	if t.kind != objectKind {
		return nil
	}
	if known, ok := p.objects[t.name]; ok {
		if len(known.fields) != len(t.fields) {
			return fmt.Errorf("two objects of one scope have the name %s", t.name)
		}
		return nil
	}
	p.objects[t.name] = t
	for _, field := range t.fields {
		if err := p.add(field); err != nil {
			return err
		}
	}
	return nil
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(cel.ObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if t, ok := p.objects[name]; ok {
		return t.Fields(), true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider. Objects are maps in Go; a field
// that is not in one is empty, see Type.empty.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := p.objects[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	f, ok := t.fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type: f.cel(),
		IsSet: func(target any) bool {
			m, _ := target.(map[string]any)
			value, ok := m[field]
			return ok && value != nil
		},
		GetFrom: func(target any) (any, error) {
			m, _ := target.(map[string]any)
			if value := m[field]; value != nil {
				return value, nil
			}
			return f.empty(), nil
		},
	}, true
}
