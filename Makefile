# Every command of the house. A fresh machine needs Python >= 3.11, make and a C compiler.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# For two cores: a worker is busy for a third of its time, the rest is waiting on calls in real time.
JOBS ?= 5
# On a machine that is others' as well a test on real sockets may run into a limit: it gets two more tries, and is listed.
RERUNS ?= --reruns 2 --reruns-delay 2 -r R

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e-asterisk serve check bench lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## build .venv from the hash-locked requirements

demo: $(READY) ## place one real call through the real server, on the embedded default
	@$(BIN)/aicall demo

test: $(READY) ## run the whole test suite
	@sh .ci/servers || true
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(RERUNS)

# Where a chroot cannot be made it says so, and that is no failure.
e2e-asterisk: $(READY) ## call a real Asterisk, Debian's own, in a chroot that is built the first time; root only
	@root=$$(sh .ci/asterisk) || { [ $$? = 77 ] && exit 0; exit 1; }; \
	AICALL_E2E_ASTERISK=$$root $(BIN)/python -m pytest -n 2 $(RERUNS) tests/e2e/asterisk

serve: $(READY) ## run the server on the embedded default
	@$(BIN)/aicall serve

check: $(READY) ## format, lint, types, import floors, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

bench: $(READY) ## run the side-by-side benchmark
	@$(BIN)/python -m bench

# An interpreter that has gone away leaves a venv behind that only looks ready.
$(shell [ ! -e $(READY) ] || $(BIN)/python -c '' 2>/dev/null || rm -f $(READY))

$(READY): requirements-dev.txt pyproject.toml
	@set -eu; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
	  python=$$(PYTHON="$(PYTHON)" sh .ci/python); \
	  echo "building $(VENV) with $$($$python -V); this takes a minute or two"; \
	  $$python -m venv --clear $(VENV); \
	fi; \
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	touch $(READY)

# The image gets requirements.txt, without the GPL parts of the extra `local`; a checkout gets all.
# UPGRADE=--upgrade renews every pin; without it only what pyproject.toml asks for moves.
LOCK = uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) \
	--extra anthropic --extra aws --extra cartesia --extra codecs --extra deepgram --extra dialogflow --extra elevenlabs \
	--extra google --extra hume --extra knowledge --extra mcp --extra nats --extra postgresql

lock: ## renew the hash-locked requirements after a change to pyproject.toml
	@set -eu; \
	python=$$(PYTHON="$(PYTHON)" sh .ci/python); \
	tools=$$(mktemp -d); \
	trap 'rm -rf "$$tools"' EXIT; \
	$$python -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet uv; \
	"$$tools"/bin/$(LOCK) pyproject.toml -o requirements.txt; \
	"$$tools"/bin/$(LOCK) --extra local --extra kokoro --extra moonshine --extra opus --extra piper \
	  --extra whisper --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## remove everything that a command here made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist demo-out bench-out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
