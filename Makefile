# SPDX-License-Identifier: Apache-2.0
# Every target installs the Debian or Ubuntu packages that it misses (with sudo when not root) and
# says what it does. The logic is in scripts/.
.DEFAULT_GOAL := help
.PHONY: help build cluster cluster-stop test format lint asan tsan bench bench-check bench-large bench-members failover compat campaign mutants fuzz chaos clean
# The sizes of campaign, mutants, fuzz and chaos reach the scripts as they are.
export SEEDS FIRST SCENARIOS COURSE FUZZ CHAOS CHAOS_SEED
.NOTPARALLEL:

help:           ## what there is
	@grep -hE '^[a-z-]+: +##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+): +## /  make \1\t/' | expand -t 22

build:          ## the server, its tool and the tests: build/release/bin/
	@scripts/build release

cluster:        ## three nodes on this machine, data in ./kvorum-data; again at any time
	@scripts/build release server
	@scripts/cluster start

cluster-stop:   ## stop them; the data stays
	@scripts/cluster stop

test:           ## everything that must hold before a change goes in
	@scripts/test

format:         ## clang-format over the tracked C++ files
	@scripts/format

lint:           ## clang-format and clang-tidy, changing nothing
	@scripts/format --check
	@scripts/lint

asan:           ## unit tests and a stretch of simulation under ASan and UBSan
	@scripts/sanitize asan

tsan:           ## the tests with threads under TSan
	@scripts/sanitize tsan

bench:          ## side by side with Redis, Valkey, etcd and a roofline on this machine: ARGS=--quick takes two minutes
	@scripts/install-packages build bench
	@benchmark/run side_by_side $(ARGS)

bench-check:    ## has it become slower? Paired with redis-server, or with BASELINE=path of another kvorum-server
	@scripts/install-packages build bench
	@benchmark/run bench_check $(if $(BASELINE),--baseline $(BASELINE)) $(ARGS)

bench-large:    ## ten million keys, ten thousand connections: memory, snapshots, restarts, beside one Redis: ARGS="--keys 1000000"
	@scripts/install-packages build bench
	@benchmark/run large $(ARGS)

bench-members:  ## from one node to three and five, and one replaced, while clients write: ARGS="--rate 5000"
	@scripts/install-packages build bench
	@benchmark/run members $(ARGS)

failover:       ## how long nobody is served when the leader dies, beside etcd, Sentinel and Cluster: TRIALS=20
	@scripts/install-packages build bench
	@scripts/build release server
	@python3 benchmark/failover.py --trials $(or $(TRIALS),20)

compat:         ## other client libraries; needs their package registries
	@scripts/build release server
	@python3 tests/compat/run.py --server build/release/bin/kvorum-server

campaign:       ## simulator, scenarios, course, fuzz, chaos: SEEDS=100000 SCENARIOS=200 COURSE=200 FUZZ=0.1 CHAOS=600; 0 leaves one out
	@scripts/campaign

mutants:        ## planted bugs, each of which the simulator must find: within SEEDS=2000, or only ONLY=id,id
	@scripts/mutants $(or $(SEEDS),2000) $(ONLY)

fuzz:           ## libFuzzer over all that reads foreign bytes: FUZZ=1 times ten million runs of the parser, a million of the rest
	@scripts/fuzz $(or $(FUZZ),1)

chaos:          ## real processes, every fault, three and five nodes, members that change: CHAOS=120 seconds, CHAOS_SEED=the day's number
	@scripts/chaos $(or $(CHAOS),120) $(CHAOS_SEED)

clean:          ## remove build/; data of `make cluster` stays
	rm -rf build
