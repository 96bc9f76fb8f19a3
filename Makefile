# Every command a newcomer needs. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test test-clients conformance train evaluate bench scale chaos soak attack check bless format servers

CARGO ?= cargo
CONFORMANCE := plans::conformance::every_conformance_action_matches_or_is_refused
SERVERS := embedded/node_modules/.package-lock.json
CLIENTS := tests/clients/node_modules/.package-lock.json
PEERS := tests/bench/node_modules/.package-lock.json

help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(SERVERS) ## Builds and serves with embedded PostgreSQL and Cerbos, and a small demo
	$(CARGO) build --quiet
	./target/debug/hestami serve

# The tests start the binary itself, so it is built first.
test: $(SERVERS) ## Runs all tests against real PostgreSQL, Cerbos and HTTP
	$(CARGO) build --quiet --workspace
	$(CARGO) build --quiet --workspace --tests
	$(CARGO) test --quiet --workspace --no-fail-fast

test-clients: $(SERVERS) $(CLIENTS) ## Drives the gateway with the libraries, generators, linters and fuzzers of clients, and the example dashboard in chromium
	$(CARGO) build --quiet --workspace
	tests/clients/chromium.sh
	tests/clients/python.sh
	node --test --test-concurrency=1 tests/clients/*.test.mjs

conformance: $(SERVERS) ## Judges the query plans of CERBOS_CONFORMANCE_DIR: SQL, evaluator and PDP must agree
	@$(CARGO) test --quiet -p tests --lib -- --nocapture --exact $(CONFORMANCE) >target/conformance.txt 2>&1; \
	ended=$$?; grep -E '^error|^skipped|: (matched|refused|skipped|WRONG)|refused as they must be$$' target/conformance.txt; \
	grep -E '^[0-9]+ matched, ' target/conformance.txt; exit $$ended

train: ## Makes the weights of the suggester from its texts, byte for byte the same everywhere
	$(CARGO) run --quiet -p suggest -- train

evaluate: ## Tells how well the suggester does on the texts that it never saw: by kind, with the table of confusions
	@$(CARGO) run --quiet -p suggest -- evaluate

# Both at once, with the features of both: apart, all would be built twice.
BENCH = $(CARGO) build --quiet --release -p server -p bench && ./target/release/bench

bench: $(SERVERS) $(PEERS) ## Measures beside PostGraphile, DBOS for TypeScript and hand-written SQL; writes docs/performance.md. QUICK=1 is shorter, ONLY=reads a part
	$(BENCH) $(ONLY)

scale: $(SERVERS) ## Builds and tests a tree of 150 kinds beside this one; writes docs/performance.md. KINDS=60 makes fewer
	node tests/scale/scale.mjs

chaos: $(SERVERS) ## Breaks everything in turn for five minutes beside clients, and checks what is left. CHAOS_SEED=7 is another order
	$(BENCH) chaos

attack: $(SERVERS) ## Floods of three tenants on two replicas for ten minutes, beside tenants that work. ATTACK_SEED=7 is another order
	$(BENCH) attack

soak: $(SERVERS) ## Thirty minutes at half load: what must be flat is flat
	$(BENCH) soak

# The contract as the code makes it, held against the one that is kept: additions pass, breaks are told and refused.
GATE = mkdir -p target/contract && for it in sdl:schema.graphql openapi:openapi.json errors:errors.txt procedures:procedures.txt; do \
	./target/debug/hestami contract $${it%%:*} >target/contract/$${it\#*:} || exit 1; done && node schema/gate.mjs target/contract

check: $(SERVERS) ## Format, clippy with warnings as errors, contracts and policies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	$(CARGO) build --quiet --workspace
	@$(GATE)
	node --test schema/gate.test.mjs >target/gate.txt || { cat target/gate.txt; exit 1; }
	./target/debug/hestami contract --check
	embedded/node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64 compile authz/policies

bless: $(SERVERS) ## Writes the contract files anew, unless something in them would break; look at the difference before you commit it
	$(CARGO) build --quiet
	@$(GATE)
	./target/debug/hestami contract --write
	BLESS=1 $(CARGO) test --quiet -p tests -- golden outcomes_of

format: ## Formats the code
	$(CARGO) fmt --all

servers: $(SERVERS) ## Installs the embedded servers (npm, by the lock file)

# Not `npm ci`: it insists on packages of other platforms, which not every registry has.
$(SERVERS): embedded/package.json embedded/package-lock.json
	npm install --prefix embedded --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(CLIENTS): tests/clients/package.json tests/clients/package-lock.json
	npm install --prefix tests/clients --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(PEERS): tests/bench/package.json tests/bench/package-lock.json
	npm install --prefix tests/bench --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
