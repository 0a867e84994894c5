# Patchbay: `make up` runs it, `make test` proves it. Everything else is below.

# One target directory outside the clone: nothing compiles twice, and a fresh clone is warm.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/patchbay/target
PROFILE := local
BIN := $(CARGO_TARGET_DIR)/$(PROFILE)
DATA ?= .patchbay
ADDR ?= 127.0.0.1:8787

.PHONY: help build up test check bench clean

help:
	@echo "make up      build and run the platform on http://$(ADDR) (data in $(DATA))"
	@echo "make test    every check and test"
	@echo "make bench   the figures, as a table and as $(BIN)/../bench.json"
	@echo "make build   build the local binary; its path is the last line"
	@echo "make clean   remove the local data (not the build cache)"

build:
	@cargo build --locked --profile $(PROFILE) -p patchbay-local
	@echo $(BIN)/patchbay-local

up: build
	@PATCHBAY_ALLOW_LOOPBACK=1 exec $(BIN)/patchbay-local --addr $(ADDR) --data $(DATA)

check:
	@tests/run check

test:
	@tests/run

bench:
	@cargo build --locked --profile $(PROFILE) -p patchbay-local -p bench
	@$(BIN)/bench

clean:
	rm -rf $(DATA)
