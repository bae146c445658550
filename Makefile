# Each target is one or two commands, which can also be run without make.
# Builds and downloads are outside the checkout, in the user's cache.

SHELL := /bin/sh
XDG_CACHE_HOME ?= $(HOME)/.cache
CARGO_TARGET_DIR ?= $(XDG_CACHE_HOME)/distributed-average/target
export XDG_CACHE_HOME CARGO_TARGET_DIR

.DEFAULT_GOAL := help
.PHONY: help run dev test check bundle examples straggler bench chaos soak fuzz clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build all and serve on 127.0.0.1:3000; ARGS="--workers 4" and the like
	@scripts/run $(ARGS)

dev: ## serve, and rebuild and reload on every change
	@scripts/dev $(ARGS)

test: ## set up what tests need, check formatting and lints, run every test
	@scripts/test

check: ## check formatting and lints only
	@scripts/test formatting lints browser-lints

bundle: ## build what the browser downloads, and print how large it is
	@scripts/require-rust
	@cargo xtask bundle

examples: ## average real data sets by a server; SERVER=http://... names one that runs
	@scripts/examples $(SERVER)

straggler: ## a real engine (RabbitMQ, S3, worker processes) with one slow worker, to watch
	@scripts/straggler

bench: ## measure: the kernels, whole programs beside NumPy and Dask, and their memory
	@scripts/bench

chaos: ## random faults on RabbitMQ, S3, server and workers while jobs run; SEED=1 SECONDS=1200
	@scripts/chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

soak: ## 2,000 small jobs with 200 event streams on real parts, and their memory; JOBS=2000
	@scripts/chaos --soak $(or $(JOBS),2000)

fuzz: ## feed the parsers and the decoder bytes that are meant to break them; SECONDS=60 each
	@scripts/fuzz $(SECONDS)

clean: ## remove what was built; downloaded tools stay
	rm -rf "$(CARGO_TARGET_DIR)"
