//go:build !linux

package collect

import (
	"context"

	"vedette.dev/vedette/internal/agentwire"
)

func host(context.Context, Env) (agentwire.Host, error) {
	return agentwire.Host{}, ErrNotSupported
}

func software(context.Context, Env) ([]agentwire.Software, error) { return nil, ErrNotSupported }

func ports(context.Context, Env) ([]agentwire.Port, error) { return nil, ErrNotSupported }

func interfaces(context.Context, Env) ([]agentwire.Interface, error) { return nil, ErrNotSupported }

func accounts(context.Context, Env) ([]agentwire.Account, error) { return nil, ErrNotSupported }

func processors(context.Context, Env) ([]agentwire.Processor, error) { return nil, ErrNotSupported }

func volumes(context.Context, Env) ([]agentwire.Volume, error) { return nil, ErrNotSupported }
