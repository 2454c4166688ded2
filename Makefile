# The commands of the README. `make demo` shows the product, `make test` runs everything.
CARGO ?= cargo
# Where cargo puts what it builds; asked only by the targets that start something.
TARGET = $(shell $(CARGO) metadata --no-deps --format-version 1 \
	| sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
LAB = $(TARGET)/debug/mmm-lab

.PHONY: all setup build demo test matrix lint check coverage bench docs goals shots clean

all: build

setup:
	@./tests/setup.sh

build: setup
	$(CARGO) build --workspace --bins

# With a terminal: the console on a cluster of its own. Without one, or with DEMO_SECONDS=20: text.
# What cannot be installed, or is not allowed, makes it a simulated cluster.
demo:
	@./tests/setup.sh || echo "demo: going on without"
	$(CARGO) build --workspace --bins
	@$(LAB) demo

# The suite comes last, so that its figures and its summary are the last things to be read.
# `mmm-lab run` gives an ordinary user the rights over the network that the lab needs.
test: build
	$(CARGO) test --workspace --exclude mmm-tests
	$(CARGO) test -p mmm-tests --lib --bins
	@$(LAB) sweep
	$(LAB) run $(CARGO) test -p mmm-tests --test suite -- --show-output

# Every fault in turn on real clusters, and docs/matrix.md from it. Some of it, or more often:
# make matrix ROWS=server-*,move RUNS=20 SEED=7; then the page is only written where PAGE= says.
ROWS ?= *
RUNS ?= 5
SEED ?= 1
PAGE ?= $(if $(filter-out *,$(ROWS)),,docs/matrix.md)
matrix: build
	@$(LAB) sweep
	$(LAB) run $(TARGET)/debug/mmm-matrix --rows '$(ROWS)' --runs $(RUNS) --seed $(SEED) \
		--machine '$(MACHINE)' $(if $(PAGE),--page $(PAGE))

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings

check: setup
	$(CARGO) fmt --all --check
	$(MAKE) --no-print-directory lint

# How many lines of the cores the pure tests run; at least 95 of 100.
coverage:
	./tests/coverage.sh

# The console's figures beside its goals, as the table of docs/console.md; takes two minutes.
goals:
	$(CARGO) build --release -p mmm-tui -p mmm-daemon -p mmm-tests --bins
	$(TARGET)/release/mmm-goals --write docs/console.md

# What the console shows on a real cluster, as text and as a recorded session, into docs/.
shots:
	$(CARGO) build --workspace --bins
	@$(LAB) shots docs

# Manual pages and shell completions, as a tree to copy to /usr: made by the programs themselves, so
# that `make docs BIN=target/dist` makes those of what is shipped.
BIN ?= $(TARGET)/debug
docs: $(if $(filter $(TARGET)/debug,$(BIN)),build)
	@./config/docs.sh $(BIN) $(TARGET)/share

# What a step of the core costs.
bench:
	$(CARGO) bench -p mmm-daemon --bench core

clean:
	$(CARGO) clean
