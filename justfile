# `uv run just` lists what can be done here.
set shell := ["bash", "-euo", "pipefail", "-c"]

export UV_PYTHON_DOWNLOADS := "never"
export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH")

_default:
    @just --list --unsorted

# Installs exactly what requirements.lock names, checked by hash, and Shoal itself in place; does nothing when that is done already.
_env:
    #!/usr/bin/env bash
    set -euo pipefail
    want=$(cat requirements.lock libs/pyproject.toml | sha256sum)
    [ "$(cat .venv/.shoal-installed 2>/dev/null)" = "$want" ] && exit 0
    uv pip sync --quiet --require-hashes requirements.lock
    uv pip install --quiet --no-deps --no-build-isolation -e libs
    echo "$want" > .venv/.shoal-installed

# The main job in about a minute: six clusters, one deploy, one failure, one trace. `--keep` leaves it running.
[group('run')]
demo *args: _env
    python examples/demo.py {{ args }}

# The hub and members on this machine, until `just down`. Options as `shoal up --help` says.
[group('run')]
up *args: _env
    shoal up {{ args }}

# Stops what `just up` started.
[group('run')]
down *args: _env
    shoal down {{ args }}

# Everything that needs no root, no engine and no Go: unit, contract, simulation, end to end, the house itself.
[group('test')]
test: _env
    python tests/run.py

# Pure tables and properties only: seconds.
[group('test')]
test-unit *args: _env
    pytest tests/unit -n 2 {{ args }}

# The bus on both adapters, the Kubernetes API against kubectl.
[group('test')]
test-contract *args: _env
    pytest tests/contract {{ args }}

# The whole hub and its members in one process on virtual time; give a seed to replay it.
[group('test')]
simulate seed="" count="200": _env
    pytest tests/simulation --seeds={{ count }} {{ if seed == "" { "" } else { "--seed=" + seed } }}

# Real processes, real kubectl, the demo itself.
[group('test')]
test-e2e *args: _env
    pytest tests/e2e {{ args }}

# Kill loop: any process at any time while deploys run, 50 rounds; the result must be the same.
[group('test')]
kill-loop rounds="50": _env
    python tests/chaos/kill_loop.py --rounds {{ rounds }}

# Kills while objects come, move and go, 20 rounds; nothing that was deleted may come back.
[group('test')]
churn-loop rounds="20": _env
    python tests/chaos/churn_loop.py --rounds {{ rounds }}

# The same with two real Kubernetes members, built from Go modules (cached outside the repository); one of them is killed.
[group('test')]
test-real *args: _env
    python tests/kube/build.py
    pytest tests/kube tests/e2e/test_real_members.py tests/contract/test_member_client.py -m kube -rs {{ args }}

# Builds the image, runs docker-compose.yml, deploys, kills a container. Needs root and a Docker engine, else says so and skips.
[group('test')]
test-compose *args: _env
    SHOAL_COMPOSE_INSTALL=1 pytest tests/compose -rs {{ args }}

# The figures that the product promises, measured here, with their conditions.
[group('test')]
bench *args: _env
    python tests/bench/run.py {{ args }}

# The pure parts: decisions over 1,000 clusters, rendering.
[group('test')]
bench-pure: _env
    python tests/bench/decide.py
    python tests/bench/render.py

# The scheduler on a real bus: decisions a second, ten thousand bindings after one event, a policy change over a thousand apps.
[group('test')]
bench-scheduler *args: _env
    python tests/bench/scheduler.py {{ args }}

# Format, lint, types and walls, deployment files: what a change must pass before the tests.
[group('check')]
check: _env lint types walls deploy-lint

# Style and mistakes that can be seen without running.
[group('check')]
lint: _env
    ruff check libs services tests examples docs
    ruff format --check libs services tests examples docs

# mypy --strict over libs and services.
[group('check')]
types: _env
    mypy

# Who may import whom.
[group('check')]
walls: _env
    lint-imports

# Dockerfile, compose file and kustomize bases, without an engine.
[group('check')]
deploy-lint: _env
    hadolint deploy/docker/Dockerfile
    docker-compose -f docker-compose.yml config -q
    for base in deploy/kustomize/*/; do kubectl kustomize "$base" > /dev/null; done

# Writes the generated documents: messages, AsyncAPI, settings, compatibility.
[group('docs')]
docs: _env
    python docs/generate.py

# Formats the code.
[group('docs')]
format: _env
    ruff check --fix -q libs services tests examples docs || true
    ruff format libs services tests examples docs

# Pins requirements.in again (hashes, no hosts), and the parts of it that the image takes.
[group('docs')]
lock:
    #!/usr/bin/env bash
    set -euo pipefail
    compile() { uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url "$@"; }
    compile requirements.in -o requirements.lock
    compile libs/pyproject.toml -c requirements.lock -o deploy/docker/requirements.lock
    echo hatchling | compile - -c requirements.lock -o deploy/docker/build.lock
