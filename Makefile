# Every target works on a fresh clone with Go, git, make and gcc (the race
# detector needs gcc).
GO       ?= go
VERSION  ?= 1.0.0
LDFLAGS  := -s -w -X main.version=$(VERSION)
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
FUZZTIME ?= 20s

.PHONY: build quickstart test conformance check fuzz crash soak bench clean

build: ## both binaries, static, in bin/
	$(BUILD) -o bin/ass ./cmd/ass
	$(BUILD) -o bin/assd ./cmd/assd

quickstart: build ## the whole main job on a throw-away vault
	scripts/quickstart

test: ## all tests that need Go alone
	$(GO) test -timeout 20m ./...
	@scripts/conformance/run --left-out

conformance: build ## the published npm clients, as they are, against assd over TLS; needs Node
	@GO='$(GO)' scripts/conformance/run

check: ## what a change must pass: format, vet, staticcheck, tidy, other systems, race
	scripts/check

fuzz: ## each fuzz target for FUZZTIME
	scripts/fuzz $(FUZZTIME)

KILLS ?= 300
SEED  ?= $(shell date +%s)
crash: ## a loaded daemon killed KILLS times, at random and at named points; all that was acknowledged must be there
	CGO_ENABLED=0 $(GO) build -trimpath -tags crashpoints -o bin/assd-crash ./cmd/assd
	$(GO) run ./scripts/crash -assd bin/assd-crash -kills $(KILLS) -seed $(SEED)

soak: build ## a loaded daemon for half an hour, sealed and opened, its keys changed: memory and descriptors
	$(GO) run ./scripts/crash -assd bin/assd -soak 30m

bench: build ## operations per second beside their floors, measured in the same run
	$(GO) run ./scripts/bench -assd bin/assd -ass bin/ass

clean:
	rm -rf bin
