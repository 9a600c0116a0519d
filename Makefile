# One target per thing that people do here. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

WASM_ENV    := GOOS=js GOARCH=wasm
LISTEN      ?= 127.0.0.1:8080
FUZZTIME    ?= 10s
# Packages without goroutines, in code and tests, which core/archtest holds.
ENGINES     := core/crdt core/crdt/egwalker core/crdt/flat core/crdt/rope core/id core/invite core/invite/cpace core/mesh core/objectdb core/space core/syncer core/wire

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

node_modules: package-lock.json
	npm ci --ignore-scripts
	@touch node_modules

.PHONY: build
build: bin/echospace dist ## bin/echospace, and web/dist with the page's module

.PHONY: bin/echospace
bin/echospace:
	CGO_ENABLED=0 go build -trimpath -o $@ ./core/cmd/echospace

.PHONY: dist
dist: node_modules
	node web/build.mjs

.PHONY: run
run: build ## serve the page of this repository and a relay on LISTEN
	bin/echospace dev --listen $(LISTEN) --root .

.PHONY: test
test: browser lint build test-go test-wasm test-web test-page e2e ## everything: installs what it needs, the browser too

.PHONY: browser
browser: ## install the browser that the tests drive, or say how
	@.ci/browser

.PHONY: test-go
test-go: ## the core natively, what has goroutines with the race detector
	go test -race $$(go list ./core/... | grep -vxE '$(subst $() ,|,$(ENGINES:%=.*/%))')
	go test $(ENGINES:%=./%)
	go test github.com/flynn/noise # its own vectors, at the version that go.mod names

.PHONY: test-wasm
test-wasm: ## the core as wasm in Node, but for what needs a browser or the file tree
	@.ci/wasmnode $$($(WASM_ENV) go list ./core/... | grep -vE '/(transport/rtc|archtest)$$')
	@.ci/wasmnode crypto/internal/fips140/edwards25519/field crypto/ed25519 crypto/ecdh # its own tests, with our arithmetic

.PHONY: test-page
test-page: browser ## the packages of the page as wasm in Chromium
	@.ci/wasmbrowser ./jsbridge/... ./core/transport/rtc
	@.ci/wasmbrowser -run 'TestStates_' ./core/objectdb # the same bytes as natively and in Node

.PHONY: test-web
test-web: dist ## the TypeScript package: types, then units in Node
	npm run --silent check
	npm run --silent test

.PHONY: e2e
e2e: build browser ## real browsers against the real relay
	node web/test/e2e.mjs

.PHONY: conformance
conformance: build ## one line for each row of the conformance table
	node web/test/conformance.mjs

.PHONY: bench
bench: build web/test/peers/node_modules ## measure against the peers, in Chromium
	node web/test/bench.mjs
	node web/test/peers.mjs
	node web/test/trust.mjs

.PHONY: bench-trust
bench-trust: build browser ## what trust costs, natively and as wasm
	node web/test/trust.mjs

web/test/peers/node_modules: web/test/peers/package-lock.json
	npm ci --ignore-scripts --prefix web/test/peers
	@touch $@

.PHONY: soak
soak: build browser ## the long runs: kills, restores, cycles, fleets, fuzzing
	@.ci/soak

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' core | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
			echo "== $$(dirname $$file) $$target"; \
			go test ./$$(dirname $$file) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; \
		done; \
	done

.PHONY: lint
lint: node_modules ## formatting, vet, staticcheck for both platforms, biome; changes nothing
	@test -z "$$(gofmt -l core jsbridge wasm)" || { gofmt -l core jsbridge wasm; exit 1; }
	go vet ./...
	$(WASM_ENV) go vet ./...
	go build -o .cache/staticcheck honnef.co/go/tools/cmd/staticcheck
	.cache/staticcheck ./...
	$(WASM_ENV) .cache/staticcheck -checks inherit,-U1000 ./... # it takes exports of the module for unused
	npm run --silent lint

.PHONY: fmt
fmt: node_modules ## write the formatting
	gofmt -w core jsbridge wasm
	npx biome check --write
