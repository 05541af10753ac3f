# make help lists what there is. ARGS passes arguments to run and demo; P is the number of test binaries at a time.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
P       ?= 2
ARGS    ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X splitsync/internal/service.version=$(VERSION)

# Packages whose tests take their broker from the test kit, and the whole product.
KAFKA_PACKAGES = $$(grep -rlE 'testkit\.Kafka\(' --include='*_test.go' . | xargs -n1 dirname | sort -u | grep -v '^./e2e') $$($(GO) list ./e2e/...)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/splitsync
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/splitsync ./cmd/splitsync

.PHONY: fetch
fetch: build ## what up embeds and the tests need (ClickHouse, pinned); nothing when it is there
	bin/splitsync fetch

.PHONY: run
run: fetch ## build, fetch, start everything on 127.0.0.1:3000
	exec bin/splitsync up $(ARGS)

.PHONY: test
test: fetch ## all tests that need no JVM
	$(GO) test -shuffle=on -timeout 15m -p $(P) ./...

.PHONY: test-kafka
test-kafka: fetch ## contract and end-to-end tests on Apache Kafka 4 (needs Java 17; Maven the first time)
	$(GO) run ./internal/testkit/cmd/apachekafka -- $(GO) test -count=1 -timeout 20m -p $(P) $(KAFKA_PACKAGES)
	$(GO) test -count=1 -timeout 10m -p 1 -tags jvm ./internal/testkit/...
	$(GO) test -count=1 -timeout 10m -tags jvm -run KillOfEveryBroker ./internal/kafkalog

# Generated pages are compared by a test of cmd/splitsync, the import rule and the other rules over the tree are tests of internal/gates: both are
# in race. The end-to-end tests start the built binary, so a race build of them finds nothing more than race does; make test has them.
.PHONY: check
check: lint vuln race ## gofmt, vet, staticcheck, govulncheck, rules over the tree, generated pages, tests with race

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@bad=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs -r gofmt -l); if [ -n "$$bad" ]; then echo "gofmt these files:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags jvm ./internal/testkit/... ./internal/kafkalog
	$(GO) tool staticcheck ./...

.PHONY: vuln
vuln: ## govulncheck, where its database can be reached
	.ci/vuln

.PHONY: race
race: fetch ## tests with the race detector, without the end-to-end ones
	$(GO) test -race -shuffle=on -timeout 15m -p $(P) $$($(GO) list ./... | grep -v '^splitsync/e2e')

.PHONY: bench
bench: fetch ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m -p 1 ./...

.PHONY: e2e
e2e: fetch ## the whole product: end-to-end tests
	$(GO) test -count=1 -v -timeout 15m -p 1 ./e2e/...

.PHONY: chaos
chaos: fetch ## crashes and faults: the tests named Kill, Crash or Fault
	$(GO) test -count=1 -v -timeout 30m -p 1 -run 'Kill|Crash|Fault' ./...

.PHONY: demo
demo: fetch ## play a chat log through everything and show the ledger
	exec bin/splitsync demo $(ARGS)

.PHONY: docs
docs: ## write the generated pages: docs/CONFIG.md, docs/EVENTS.md, docs/METRICS.md
	$(GO) run ./cmd/splitsync help config --markdown > docs/CONFIG.md.new && mv docs/CONFIG.md.new docs/CONFIG.md
	$(GO) run ./cmd/splitsync help events --markdown > docs/EVENTS.md.new && mv docs/EVENTS.md.new docs/EVENTS.md
	$(GO) run ./cmd/splitsync help metrics --markdown > docs/METRICS.md.new && mv docs/METRICS.md.new docs/METRICS.md

.PHONY: clean
clean: ## remove bin
	rm -rf bin
