# make test   everything: tests on every backend and bucket, race detector, examples, fuzz smoke run, lint
# make bench  the figures of docs/benchmarks.md, as ratios within one run; make bench-smoke: whether they all work
# make lint   gofmt, go vet, staticcheck
# make vuln   known vulnerabilities in what the packages call, where Go's database of them can be reached

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MODULES := . examples/boltbackend
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME := 5s

.PHONY: test lint vuln unit race examples fuzz bench bench-smoke tools
.NOTPARALLEL:

test: tools lint vuln unit race examples fuzz bench-smoke

# The servers that tests start: installed by the system's package manager where they are missing. And MLflow, which
# tests install themselves when they need it: here it does not count as a test's time.
tools:
	@./internal/tools/install.sh
	@for version in 3.17.2 2.22.5; do ./internal/tools/venv.sh $$version >/dev/null; done

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	@for m in $(MODULES); do (cd $$m && echo "vet and staticcheck $$m" && go vet ./... && go run $(STATICCHECK) ./...); done

vuln:
	@./internal/tools/vuln.sh

unit:
	MODELREGISTRY_TEST_THOROUGH=1 go test -count=1 -timeout 40m ./...

# The packages in which goroutines meet; the rest has been through plain tests by now.
race:
	go test -count=1 -race -timeout 40m ./...

examples:
	@for m in $(filter-out .,$(MODULES)); do (cd $$m && echo "test $$m" && go test -count=1 ./...); done
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	  for program in quickstart train; do \
	    go run ./examples/$$program -dir "$$dir/$$program" >/dev/null; go run ./examples/$$program -dir "$$dir/$$program" >/dev/null; \
	    echo "$$program: ran twice"; \
	  done

fuzz:
	@for f in $$(grep -rhoE '^func Fuzz[A-Za-z]+' --include='*_test.go' . | sed 's/func //' | sort -u); do \
	  pkg=$$(dirname $$(grep -rlE "^func $$f\(" --include='*_test.go' . | head -n 1)); \
	  echo "fuzz $$f in $$pkg"; (cd $$pkg && go test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x . ); done

bench:
	@./internal/tools/bench.sh

bench-smoke:
	@BENCH_SMOKE=1 ./internal/tools/bench.sh
