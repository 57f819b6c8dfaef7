"""The house inspects itself: walls, docstrings, documents that name files, recipes that run, generated documents that are fresh."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from shoal.runtime.config import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(p.parent for top in ("libs/shoal", "services") for p in (ROOT / top).rglob("__init__.py"))
MODULES = sorted(p for top in ("libs/shoal", "services") for p in (ROOT / top).rglob("*.py"))
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def run(*command: str) -> subprocess.CompletedProcess[str]:
    tools = Path(sys.executable).parent
    return subprocess.run([str(tools / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_package_says_what_belongs_there(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert docstring, f"{package}/__init__.py needs a docstring that says what belongs there and what does not"


def test_a_module_says_what_it_is() -> None:
    silent = [str(m.relative_to(ROOT)) for m in MODULES if not ast.get_docstring(ast.parse(m.read_text())) and m.name != "__main__.py"]
    assert silent == []


def test_there_is_no_bag() -> None:
    assert [str(m) for m in MODULES if m.stem in {"utils", "util", "helpers", "common", "misc"}] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_documents_name_files_that_exist(document: Path) -> None:
    named = re.findall(r"`((?:libs|services|tests|docs|deploy|examples)/[\w./-]+)`", document.read_text())
    missing = [name for name in named if not (ROOT / name.split("::")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_documents_name_recipes_that_exist(document: Path) -> None:
    recipes = set(run("just", "--summary").stdout.split())
    named = set(re.findall(r"`(?:uv run )?just ([a-z][\w-]*)", document.read_text()))
    assert named - recipes == set()


def test_every_recipe_parses_and_says_what_it_is_for() -> None:
    listing = run("just", "--list", "--unsorted").stdout
    recipes = [line for line in listing.splitlines() if line.startswith("    ") and not line.strip().startswith("[")]
    assert len(recipes) > 10
    assert [line for line in recipes if "#" not in line] == []
    for name in run("just", "--summary").stdout.split():
        shown = run("just", "--dry-run", name)
        assert shown.returncode == 0, shown.stderr


def test_recipes_run_files_that_exist() -> None:
    text = (ROOT / "justfile").read_text()
    paths = re.findall(r"(?:python|pytest|hadolint) ((?:tests|docs|deploy|examples)/[\w./-]+)", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_generated_documents_are_fresh() -> None:
    result = run("python", "docs/generate.py", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_walls_stand() -> None:
    result = run("lint-imports")
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize(
    ("room", "line"),
    [
        pytest.param("libs/shoal/api", "import asyncio", id="nouns-do-not-wait"),
        pytest.param("libs/shoal/domain", "import time", id="decisions-have-no-clock"),
        pytest.param("libs/shoal/messages", "import shoal.domain", id="messages-do-not-decide"),
        pytest.param("libs/shoal/bus", "import shoal.kube", id="the-doors-do-not-meet"),
        pytest.param("libs/shoal/kube", "import nats", id="only-bus-speaks-nats"),
        pytest.param("services/shoal_scheduler", "import shoal_gateway", id="services-meet-on-the-bus"),
        pytest.param("services/shoal_scheduler", "import nats", id="services-do-not-speak-nats"),
        pytest.param("libs/shoal/runtime", "import shoal_agent", id="nobody-imports-a-service"),
    ],
)
def test_a_wall_holds_when_leaned_on(room: str, line: str, tmp_path: Path) -> None:
    """Each contract is broken once in a copy of the tree, and must say so."""
    copy = tmp_path
    subprocess.run(["cp", "-r", "--parents", "libs", "services", "pyproject.toml", str(copy)], cwd=ROOT, check=True)
    (copy / room / "intruder.py").write_text(f'"""Breaks a wall on purpose."""\n\n{line}\n')
    environment = {"PYTHONPATH": f"{copy}/libs:{copy}/services", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode != 0
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize(
    "package", ["shoal", "shoal_gateway", "shoal_scheduler", "shoal_override_renderer", "shoal_agent", "shoal_health_monitor"]
)
def test_what_runs_is_what_stands_here(package: str) -> None:
    """An installation in place that copied the services would go on running what they were."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).is_relative_to(ROOT / ("libs" if package == "shoal" else "services"))


def test_every_setting_is_read_somewhere() -> None:
    """A setting that nobody reads is a promise of the settings page that nobody keeps."""
    code = "".join(module.read_text() for module in MODULES if module.name != "config.py")
    fields = {field.name for kind in SERVICES for field in msgspec.structs.fields(kind)}
    assert [name for name in sorted(fields) if not re.search(rf"config\.{name}\b", code)] == []


def test_the_lock_names_no_host() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_distribution_asks_for_what_is_locked() -> None:
    wanted = re.findall(
        r'^    "([a-z0-9-]+)', (ROOT / "libs/pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0] + "\n", re.M
    )
    listed = (ROOT / "requirements.in").read_text()
    assert [name for name in wanted if not re.search(rf"^{re.escape(name)}\b", listed, re.M)] == []
