"""`docs/settings.md` is written from `runtime/config.py` and tells every setting."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shoal.runtime import config
from shoal.runtime.settings_page import docstrings, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_fresh() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page(), "run: python -m shoal.runtime.settings_page > docs/settings.md"


@pytest.mark.parametrize("kind", config.SERVICES, ids=lambda kind: kind.__name__)
def test_every_setting_gives_its_reason(kind: type[config.ServiceConfig]) -> None:
    texts = docstrings()
    told = {field for base in kind.__mro__ for field in texts.get(base.__name__, {})}
    assert {field.name for field in msgspec.structs.fields(kind)} <= told
