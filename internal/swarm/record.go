//go:build ignore

// Record makes recordings.json.zst from file systems of Debian installations:
//
//	go run record.go "web server=/srv/roots/web" "database server=/srv/roots/database"
//
// What belongs to one machine alone does not get into the file.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/swarm"
)

func main() {
	var list []swarm.Recording
	for _, arg := range os.Args[1:] {
		name, root, ok := strings.Cut(arg, "=")
		if !ok {
			log.Fatalf("%q is not NAME=FOLDER", arg)
		}
		snapshot := &agentwire.Snapshot{}
		for _, c := range collect.All() {
			entries, err := c.Collect(context.Background(), collect.Env{RootDir: root, Now: time.Now}, snapshot)
			if err != nil {
				log.Printf("%s: %s: %v", name, c.Name(), err)
			}
			fmt.Printf("%s: %s: %d\n", name, c.Name(), entries)
		}
		list = append(list, swarm.Recording{Name: name, Snapshot: snapshot})
	}
	content, err := swarm.WriteRecordings(list)
	if err == nil {
		err = os.WriteFile("recordings.json.zst", content, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
