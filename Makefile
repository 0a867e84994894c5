# Patchbay: `make up` runs it, `make test` proves it. Everything else is below.

# One target directory outside the clone: nothing compiles twice, and a fresh clone is warm.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/patchbay/target
# Said as `sam build` says it, so that programs, tests and deployed functions are the same artifacts.
export CARGO_BUILD_TARGET := $(shell rustc --print host-tuple)
BIN := $(CARGO_TARGET_DIR)/$(CARGO_BUILD_TARGET)/release
DATA ?= .patchbay
ADDR ?= 127.0.0.1:8787

.PHONY: help build up demo test check bench rehearse soak clean

help:
	@echo "make up      build and run the platform on http://$(ADDR) (data in $(DATA))"
	@echo "make demo    the same with fakes of apps in their place, and workflows that were fired once (data in .patchbay-demo, made anew)"
	@echo "make test    every check and test"
	@echo "make bench   the figures, as a table and as bench.json in the target folder"
	@echo "make rehearse  build and deploy onto a local AWS, with upgrades, a rollback and removal; FROM=REF upgrades from there"
	@echo "make soak    simulate a million runs in storms (SEED=n begins elsewhere), and let a million waits wait"
	@echo "make build   build the local binary; its path is the last line"
	@echo "make clean   remove the local data (not the build cache)"

build:
	@infra/tools/claim
	@cargo build --locked --release --workspace --bin patchbay-local
	@echo $(BIN)/patchbay-local

up: build
	@PATCHBAY_ALLOW_LOOPBACK=1 exec $(BIN)/patchbay-local --addr $(ADDR) --data $(DATA)

demo:
	@infra/tools/claim
	@cargo build --locked --release --workspace --bin patchbay-local --bin fakes
	@exec python3 infra/demo/demo.py --bin $(BIN) --addr $(ADDR)

check:
	@tests/run check

test:
	@tests/run

bench:
	@infra/tools/claim
	@cargo build --locked --release --workspace --bins
	@tests/bench/run $(BIN)/bench

rehearse:
	@infra/rehearse/run

soak:
	@infra/tools/claim
	@PATCHBAY_SOAK_RUNS=1000000 PATCHBAY_SEED=$(or $(SEED),1) cargo test --locked --release --workspace --test it -- a_hundred_thousand
	@PATCHBAY_PENDING_WAITS=1000000 cargo test --locked --release --workspace --test it -- pending_waits --nocapture | grep -E 'pending waits|test result: .* [1-9][0-9]* passed'

clean:
	rm -rf $(DATA) .patchbay-demo
