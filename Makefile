# The modules of the workspace, one directory each.
MODULES := $(shell go list -m -f '{{.Dir}}')

# What make check tests: everything that needs no server and no process.
QUICK = $$(go list ./... | grep -v -e /internal/pg -e /internal/mariadb) ./internal/test/machine

# What users import and run. Nobody runs what make cross makes of it, so that is built
# quickly.
SHIPPED := ./... ./sqlite/... ./postgres/... ./mysql/... ./cmd/leasehold/...
UNOPTIMISED := -gcflags='all=-N -l'

.PHONY: help check format vet tidy cross docs quick test test-go1.25 test-matrix faults faults-long faults-smoke bench bench-quick release check-install build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: format vet tidy cross docs quick ## everything static, and the tests in virtual time

format: ## gofmt and go fix would change nothing
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt: $$files"; exit 1; }
	go fix -diff work

vet: ## go vet and staticcheck
	go vet work
	go tool staticcheck work

tidy: ## go mod tidy would change nothing
	@status=0; for dir in $(MODULES); do (cd $$dir && go mod tidy -diff) || status=1; done; exit $$status

cross: ## what is shipped builds for macOS and Windows
	GOOS=darwin go build $(UNOPTIMISED) $(SHIPPED)
	GOOS=windows go build $(UNOPTIMISED) $(SHIPPED)

docs: ## the docs' commands, examples and links; the rules of the tree
	go test -count=1 ./internal/test/hygiene

quick: ## the tests that need no server
	go test -short $(QUICK)

test: bin/servers ## the whole suite, race detector on, against real servers
	bin/servers -- scripts/test
	$(MAKE) faults

test-go1.25: bin/servers ## what users import, with the older Go release
	bin/servers -- scripts/test-older-go

test-matrix: bin/servers ## what needs PostgreSQL, on other major versions of it; needs npm
	scripts/test-matrix

# How long make faults-long takes, over which stores, and its seed (0: a random one).
DURATION := 1h
STORE := sqlite,postgres
SEED := 0

faults: bin/servers ## five minutes of all faults with checked histories
	go build -buildvcs=auto -o bin/faults ./faults
	bin/servers -- bin/faults -duration 5m -least-operations 50000 -least-faults 100

faults-long: bin/servers ## the same for DURATION=1h over STORE=sqlite,postgres from SEED=0
	go build -buildvcs=auto -o bin/faults ./faults
	bin/servers -- bin/faults -duration $(DURATION) -stores $(STORE) -seed $(SEED) -keep .tmp/faults

faults-smoke: bin/servers ## a minute of faults with checked histories, race detector on
	bin/servers -- go test -race -count=1 -v -run '^TestSmoke$$' ./faults -smoke 1m

bench: ## every measure, in a quarter of an hour: docs/benchmarks.md and its plots
	go build -buildvcs=auto -o bin/bench ./bench
	bin/bench -out docs

bench-quick: ## the measures in a minute, as JSON
	go run ./bench -quick -json

release: ## .tmp/release: what is committed as VERSION=v1.2.3, ready to be tagged, and a module proxy of it
	go run ./internal/test/release $(VERSION) .tmp/release

check-install: ## users can go get and go install what is committed
	scripts/check-install

build: ## bin/leasehold
	go build -o bin/leasehold ./cmd/leasehold

clean: ## remove what was built
	rm -rf bin .tmp

.PHONY: bin/servers
bin/servers:
	@go build -o $@ ./internal/test/servers
