package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// another starts a second, empty platform, which SECOND_URL and the like name; its
// password is in second-password.txt as well: another
func another(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: another")
	}
	ctx, stop := context.WithCancel(context.Background())
	p, err := openPlatform(ctx, platformConfig{Data: ts.MkAbs("second"), Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		ts.Check(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	ts.Defer(func() {
		stop()
		ts.Check(errors.Join(<-ended, p.close()))
	})
	for name, value := range map[string]string{
		"SECOND_URL": p.admin.url, "SECOND_USERNAME": p.admin.username, "SECOND_PASSWORD": p.admin.password, "SECOND_CA_FILE": p.admin.caFile,
	} {
		ts.Setenv(name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs("second-password.txt"), []byte(p.admin.password+"\n"), 0o600))
}
