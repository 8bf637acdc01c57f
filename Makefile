# Two commands are all a newcomer needs: `make demo` and `make test`.
# Each calls what it needs of `setup`, which does nothing when everything is there.

.DEFAULT_GOAL := help
# Where rustup puts cargo, for shells that do not know it yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)
.PHONY: help setup demo test test-schedule simulate chaos fuzz net bench bench-against bench-engine bench-allocations bench-cost bench-group bench-isolation bench-ladder bench-directory bench-peers profile fmt lint

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## install what building and testing need, or say what is missing
	@tools/setup build kafka artefacts

demo: ## broker, merchants, publisher and worker in one process, about 30 seconds
	@tools/setup build
	@cargo run --quiet -- demo

test: ## style, unit, mock broker, real Kafka, artefacts, demo; ends with a count per layer
	@tools/setup build kafka artefacts
	@tools/test

test-schedule: ## a published schedule to its end on a real Kafka, sixty times as fast: 24 minutes
	@tools/setup build kafka
	cargo test --test polling -- --ignored

simulate: ## many more simulated worlds; SEED=n for one with its story; writes target/simulate/summary.json
	@tools/setup build
	@tools/simulate

chaos: ## many rounds of faults on a real cluster, goes on where it ended; writes target/chaos/summary.json
	@tools/setup build kafka
	@tools/chaos

fuzz: ## many more random cases for every decoder of outside bytes; writes target/fuzz/summary.json
	@tools/setup build
	@tools/fuzz

net: ## whether the tests would notice: known mistakes, one at a time; ONLY=name for some of them
	@tools/setup build kafka
	@tools/net

bench: ## deliveries per second, under several loads, beside a bare HTTP client; writes target/bench/summary.json
	@tools/setup build kafka
	cargo bench --bench delivery

bench-against: ## the same, each drain beside that of the worker of another revision; REV=HEAD~1
	@tools/setup build kafka
	@tools/bench-against "$(REV)"

bench-engine: ## what an event costs the engine with few lanes and with a million; writes target/bench/engine.json
	@tools/setup build
	cargo bench --bench engine

bench-allocations: ## how many allocations a delivery takes; writes target/bench/allocations.json
	@tools/setup build kafka
	cargo bench --bench allocations

bench-cost: ## bytes of a delivery on the network and on the broker's disk; writes target/bench/cost.json
	@tools/setup build kafka
	cargo bench --bench cost

bench-group: ## cold start, two workers beside each other, rebalances under load; writes target/bench/group.json
	@tools/setup build kafka
	cargo bench --bench group

bench-isolation: ## what healthy merchants feel of others; writes target/bench/isolation.json
	@tools/setup build kafka
	cargo bench --bench isolation

bench-ladder: ## ten million records that wait, retries beside a million; writes target/bench/ladder.json
	@tools/setup build kafka
	cargo bench --bench ladder

bench-directory: ## a directory of a million merchants; writes target/bench/directory.json
	@tools/setup build kafka
	cargo bench --bench directory

bench-peers: ## other programs on the same work, drains and merchants that hang: an hour; writes target/bench/peers.json
	@tools/setup build kafka peers
	@tools/bench-peers

profile: ## where a worker's processor time goes while it drains a topic; draws target/profile/flame.svg
	@tools/setup build kafka profile
	@tools/profile

fmt: ## format the sources
	cargo fmt --all

lint: ## the style checks of `make test` alone
	@tools/setup build
	@tools/lint
