# The targets of this repository; "make help" lists them.
GO ?= go
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Built once for each version of the linter and of Go: a linter can only read
# code for the Go it was built with or an older one.
LINTER := .tools/golangci-lint-$(shell $(GO) env GOVERSION)

# Packs the agent.
NFPM := .tools/nfpm

FUZZTIME ?= 2m

# The race detector watches all but SQLite, which is C that was translated to Go:
# its memory is nobody else's, and watching it takes four times as long as it does.
RACE := -race -gcflags=modernc.org/...=-race=false

.DEFAULT_GOAL := help
.PHONY: help build packages others test lint bench nightly generate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## platform, agent and worker in bin/
	$(GO) build -trimpath -ldflags "-s -w" -o bin/ ./cmd/vedette ./cmd/vedette-agent ./cmd/vedette-agent-worker

packages: $(NFPM) ## packages of the agent for Linux, amd64 and arm64, in bin/packages/
	version=$$($(GO) run ./cmd/vedette-agent version); \
	for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags "-s -w" -o bin/linux-$$arch/ ./cmd/vedette-agent ./cmd/vedette-agent-worker; \
		tools/package-agent $(NFPM) "$$version" $$arch bin/linux-$$arch bin/packages; \
	done

others: ## compile agent and worker, and their tests, for the systems this is not tested on
	for system in windows/amd64 darwin/arm64 linux/arm64; do \
		export CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/}; \
		$(GO) build ./cmd/vedette-agent ./cmd/vedette-agent-worker; \
		$(GO) vet ./cmd/vedette-agent ./cmd/vedette-agent-worker ./internal/agent/...; \
	done

test: $(NFPM) ## install what is missing, lint, compile for other systems, run all tests with the race detector
	tools/prerequisites
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory others
	$(GO) test $(RACE) -timeout 20m ./...

lint: $(LINTER) ## golangci-lint, with .golangci.yml
	$(LINTER) run ./...

bench: ## all benchmarks
	tools/prerequisites
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

nightly: test ## all tests, 500 runs with faults, kill -9 runs, every fuzz target for FUZZTIME (2m), all benchmarks, searches over a million hosts, an outage of 10,000 agents
	VEDETTE_KILL_RUNS=40 $(GO) test -count 1 -timeout 60m -run TestKillNine ./test
	VEDETTE_FAULT_RUNS=500 $(GO) test -count 1 -timeout 120m -run TestFaults ./test
	VEDETTE_PLAYBOOK_RUNS=1000 $(GO) test -count 1 -timeout 30m -run TestRunsOfPlaybooks ./cmd/vedette
	tools/fuzz $(FUZZTIME)
	$(MAKE) bench
	VEDETTE_BENCH_HOSTS=1000000 $(GO) test -run '^$$' -bench LargeFleet -benchtime 20x -timeout 120m ./internal/store/sqlite ./internal/store/postgres
	VEDETTE_BENCH_AGENTS=10000 $(GO) test -run '^$$' -bench ReturnFromAnOutage -timeout 60m ./cmd/vedette

generate: ## the code made from internal/server/automationapi/openapi.yaml
	$(GO) generate ./...

clean: ## remove what the other targets built
	rm -rf bin .tools

$(NFPM): tools/nfpm/go.mod tools/nfpm/go.sum
	CGO_ENABLED=0 $(GO) build -C tools/nfpm -buildvcs=false -trimpath -ldflags "-s -w" -o $(CURDIR)/$@ github.com/goreleaser/nfpm/v2/cmd/nfpm

$(LINTER): tools/golangci-lint/go.mod tools/golangci-lint/go.sum
	$(GO) build -C tools/golangci-lint -buildvcs=false -trimpath -ldflags "-s -w" -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
