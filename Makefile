# Every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Where the tests and the demo run: local (three nodes in network namespaces, created by cluster-up), current (the cluster of
# the current kubeconfig), or kind (untested).
CLUSTER ?= local
export CLUSTER

# The addresses of the local cluster: ipv4 or ipv6. Another family needs a new cluster: make cluster-down first.
FAMILY ?= ipv4
export FAMILY

# Arguments for pytest: make e2e ARGS="-k handover"
ARGS ?=

# What the bench measures: ha-postgres, patroni, or all (both, one after the other).
SYSTEM ?= ha-postgres

# Arguments for helm in the demo. With CLUSTER=current they must name the images' registry:
# make demo CLUSTER=current HELM_ARGS="--set global.imageRegistry=REGISTRY"
HELM_ARGS ?=
export HELM_ARGS

# The PostgreSQL majors besides 15 for which images are built. Only the tests need them.
MAJORS ?=
test e2e ct: MAJORS = 9.6 17 18

# Tests that can run in parallel: they use neither the cluster nor the PostgreSQL servers of this machine.
APART := tests/unit tests/simulation tests/model tests/rules tests/chart tests/bench tests/robustness
# Tests with PostgreSQL servers on this machine: mostly waiting, so two at a time, however many processors there are.
SERVERS := tests/supervisor

# Compiled modules are kept, whatever the shell says: without them each run compiles all tests again, once per worker.
export PYTHONDONTWRITEBYTECODE :=

# iptables, losetup and mkfs, which a shell by `su` may not find.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

VENV := .venv
STAMP := $(VENV)/.installed
PY := $(VENV)/bin/python
HAPG := $(VENV)/bin/hapg
CLUSTER_CLI := $(PY) -m tests.cluster
# The supervisor's scripts are one program, and checked as one.
SUPERVISOR := failover-hook/hapg_supervisor
SCRIPTS = $(shell git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run ':!charts' ':!$(SUPERVISOR)')

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-15s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock pyproject.toml
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.PHONY: venv
venv: $(STAMP) ## create the Python environment of the checkout, .venv

# --- start here ----------------------------------------------------------------------------------------------

.PHONY: demo
demo: tools images cluster-up ## install a release, write rows, fail over; ends with 'demo ok'
	$(PY) -m tests.demo

.PHONY: test
test: lint tools images postgres policies object-store cluster-up ## lint and all tests, including those on the cluster and the commonest faults
	$(PY) -m pytest $(APART) -m "not cluster and not thorough" -n auto --dist worksteal $(ARGS) || [ $$? = 5 ] # 5: ARGS select none of these
	$(PY) -m pytest $(SERVERS) -m "not thorough" -n 2 --dist worksteal $(ARGS) || [ $$? = 5 ]
	$(PY) -m pytest tests $(APART:%=--ignore=%) $(SERVERS:%=--ignore=%) -m "not faults and not thorough" $(ARGS)

# --- single suites -------------------------------------------------------------------------------------------

.PHONY: test-fast
test-fast: lint tools ## lint, unit tests, simulations and chart tests without a cluster; under two minutes
	$(PY) -m pytest $(APART) -m "not cluster and not slow" -n auto --dist worksteal $(ARGS)

.PHONY: lint
lint: $(STAMP) ## ruff, mypy --strict, import-linter, shellcheck
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=generator:failover-hook $(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/shellcheck $(SCRIPTS)
	$(VENV)/bin/shellcheck --external-sources --check-sourced $(SUPERVISOR)/supervisor.sh
	$(VENV)/bin/shellcheck $(SUPERVISOR)/pgbackrest.sh $(SUPERVISOR)/former_programs.sh

.PHONY: format
format: $(STAMP) ## format the Python sources and sort their imports with ruff
	$(VENV)/bin/ruff check --select I --fix .
	$(VENV)/bin/ruff format .

.PHONY: e2e
e2e: tools images postgres policies object-store cloud-stores argocd flux cluster-up ## run the tests on the cluster: make e2e ARGS="-k NAME"
	$(PY) -m pytest $(APART) -m "thorough and not cluster" -n auto --dist worksteal $(ARGS) || [ $$? = 5 ] # 5: ARGS select none of these
	$(PY) -m pytest tests/e2e tests/audit $(ARGS) || [ $$? = 5 ]
	$(PY) -m pytest $(SERVERS) tests/cluster -m thorough $(ARGS) || [ $$? = 5 ]

.PHONY: ct
ct: tools images cluster-up ## run ct lint and ct install --upgrade with helm 3 and 4 and the values in charts/*/ci
	$(PY) -m pytest tests/e2e/test_ct.py $(ARGS)

.PHONY: faults
faults: tools images cluster-up ## inject every fault under writes and rewrite docs/faults.md; or only some: make faults ARGS="-k NAME"
	$(if $(ARGS),,rm -f build/faults.json)
	rc=0; $(PY) -m pytest tests/faults $(ARGS) || rc=$$?; $(if $(ARGS),,$(PY) -m tests.faults.report;) exit $$rc

# Duration of the soak in hours; may be a fraction.
HOURS ?= 1

.PHONY: soak
soak: tools images cluster-up ## random faults under pgbench; checks that nothing grows: make soak HOURS=0.5 ARGS="--seed 7"
	$(PY) -m tests.faults.soak --hours $(HOURS) $(ARGS)

.PHONY: bench
bench: tools images cluster-up ## measure how long clients wait in nine faults: make bench SYSTEM=all ARGS="--times 3"; or during a backup: ARGS=--backup; or how long changed values need: ARGS=--reconfigure
	$(PY) -m tests.bench --system $(SYSTEM) $(ARGS)

.PHONY: bench-report
bench-report: $(STAMP) ## write docs/bench.md and the README's table from the last bench's results
	$(PY) -m tests.bench.report build/bench.jsonl

# --- generated files -----------------------------------------------------------------------------------------

.PHONY: charts
charts: tools ## write all generated files: charts/ with schemas and READMEs, rendered examples, pictures, tables
	$(HAPG) generate --all -o charts
	$(PY) -m tests.chart.golden
	$(PY) -m docs.make_pictures
	$(PY) -m docs.make_spec
	$(PY) -m docs.make_tables

.PHONY: check
check: tools ## fail if a generated file differs from its source
	$(HAPG) generate --all --check -o charts
	$(PY) -m tests.chart.golden --check
	$(PY) -m docs.make_pictures --check
	$(PY) -m tests.bench.report --check
	$(PY) -m docs.make_spec --check
	$(PY) -m docs.make_tables --check

.PHONY: lock
lock: ## update requirements-dev.lock (needs uv)
	uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--extra failover --extra dev pyproject.toml -o requirements-dev.lock

# --- the cluster ---------------------------------------------------------------------------------------------

.PHONY: tools
tools: $(STAMP) ## build helm 3 and 4, kubectl, ct, kubeconform with its schemas, and linearizable, pinned, in the cache
	$(CLUSTER_CLI) tools
	$(PY) -m tests.chart.kubernetes_schemas

.PHONY: images
images: $(STAMP) ## build the PostgreSQL, failover and backup images in the cache and print their sizes
	$(CLUSTER_CLI) images $(if $(MAJORS),--majors $(MAJORS))
ifneq ($(SYSTEM),ha-postgres)
	$(PY) -m tests.bench.patroni
endif

.PHONY: postgres
postgres: $(STAMP) ## install PostgreSQL 9.6, 12, 13 and 15 and pgBackRest on this machine, for tests/supervisor
	bash tests/supervisor/ensure-postgres.sh
	$(CLUSTER_CLI) servers

.PHONY: policies
policies: $(STAMP) ## build the network policy controller, which some tests use, in the cache
	$(CLUSTER_CLI) policies

.PHONY: object-store
object-store: $(STAMP) ## build the S3 server that some tests use, and its image, in the cache
	$(CLUSTER_CLI) object-store

.PHONY: argocd
argocd: $(STAMP) ## build Argo CD, which some thorough tests use, in the cache
	$(CLUSTER_CLI) argocd

.PHONY: flux
flux: $(STAMP) ## build Flux's helm-controller, which some thorough tests use, in the cache
	$(CLUSTER_CLI) flux

.PHONY: cloud-stores
cloud-stores: $(STAMP) ## build the servers of Google's and Azure's object stores that some thorough tests use, in the cache
	$(CLUSTER_CLI) cloud-stores

.PHONY: cluster-up
cluster-up: $(STAMP) ## start the cluster if it is not running
	$(CLUSTER_CLI) up

.PHONY: cluster-down
cluster-down: $(STAMP) ## stop the cluster and remove everything of it
	$(CLUSTER_CLI) down

.PHONY: cluster-status
cluster-status: $(STAMP) ## show components, nodes, pods and restarts
	$(CLUSTER_CLI) status
