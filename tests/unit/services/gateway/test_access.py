"""Tokens."""

from pathlib import Path

import pytest

from shoal.api.errors import SettingInvalid
from shoal_gateway.access import Tokens


def test_without_a_file_everybody_may_come_in() -> None:
    assert Tokens.read("").user("") == "anonymous"


@pytest.mark.parametrize(
    ("header", "user"),
    [
        pytest.param("Bearer secret", "ann", id="known"),
        pytest.param("bearer other", "ci", id="case-of-the-scheme"),
        pytest.param("Bearer wrong", None, id="unknown"),
        pytest.param("Basic secret", None, id="other-scheme"),
        pytest.param("", None, id="none"),
    ],
)
def test_tokens(tmp_path: Path, header: str, user: str | None) -> None:
    path = tmp_path / "tokens"
    path.write_text("# people\nsecret ann admins\n\nother ci\n")
    assert Tokens.read(str(path)).user(header) == user


@pytest.mark.parametrize(
    "text", [pytest.param("secret\n", id="no-user"), pytest.param("# nobody\n", id="empty"), pytest.param(None, id="missing")]
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingInvalid, match="SHOAL_TOKENS_FILE"):
        Tokens.read(str(path))
