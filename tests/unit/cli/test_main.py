"""Help is fast because it imports little: what it imports is looked at, not the time."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from shoal.cli.main import GROUPS, main, shoal

COMMANDS = [name for commands in GROUPS.values() for name in commands]
HEAVY = (
    "asyncio",
    "nats",
    "faststream",
    "aiohttp",
    "kubernetes_asyncio",
    "rich",
    "structlog",
    "opentelemetry",
    "yaml",
    "uvicorn",
    "http.client",
)


def imported_by(*arguments: str) -> set[str]:
    program = f"import sys\nfrom shoal.cli.main import main\ntry:\n main({list(arguments)!r})\nexcept SystemExit:\n print('', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param(["--help"], HEAVY, id="shoal"),
        pytest.param(["deploy", "--help"], ("nats", "faststream", "aiohttp", "kubernetes_asyncio", "rich", "yaml", "uvicorn"), id="deploy"),
        pytest.param(["up", "--help"], ("nats", "faststream", "aiohttp", "kubernetes_asyncio", "rich", "yaml", "uvicorn"), id="up"),
    ],
)
def test_help_imports_little(arguments: list[str], heavy: tuple[str, ...]) -> None:
    found = imported_by(*arguments)
    assert "shoal.cli.main" in found
    assert not found & set(heavy)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(shoal, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(shoal, ["sail"])
    assert result.exit_code == 2
    assert "No such command" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["clusters", "--state", "/nowhere"], 5, "no hub in /nowhere", id="no-hub"),
        pytest.param(["deploy", "-f", "/nowhere.yaml"], 1, "there is no /nowhere.yaml", id="no-file"),
        pytest.param(["member", "kill", "m1", "--state", "/nowhere"], 1, "no member m1; there are: none", id="no-member"),
        pytest.param(["up", "--members", "M1", "--state", "/nowhere"], 1, "lower case", id="bad-name"),
    ],
)
def test_an_expected_error_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    errors = capsys.readouterr().err
    assert left.value.code == code
    assert says in errors
    assert "Traceback" not in errors
