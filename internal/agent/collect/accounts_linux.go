package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"vedette.dev/vedette/internal/agentwire"
)

// accounts returns the local accounts of /etc/passwd. Accounts of a directory
// service are not local and not listed.
func accounts(_ context.Context, env Env) ([]agentwire.Account, error) {
	root, err := openRoot(env.RootDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	content, err := root.read("etc/passwd", maxPasswdBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	found := parsePasswd(content)
	if len(found) == 0 {
		// A file cut to nothing by a full disk is a broken file, not a host
		// that lost its accounts.
		return nil, errors.New("etc/passwd holds no account")
	}
	return found, nil
}
