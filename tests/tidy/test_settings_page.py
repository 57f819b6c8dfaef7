"""The page of settings tells every one, with its reason. That it is fresh is `test_house`'s business."""

from __future__ import annotations

import msgspec
import pytest

from shoal.runtime import config
from shoal.runtime.settings_page import docstrings, page


def test_the_page_tells_every_setting() -> None:
    text = page()
    missing = [field.name for kind in config.SERVICES for field in msgspec.structs.fields(kind) if config.variable(field.name) not in text]
    assert missing == []


@pytest.mark.parametrize("kind", config.SERVICES, ids=lambda kind: kind.__name__)
def test_every_setting_gives_its_reason(kind: type[config.ServiceConfig]) -> None:
    texts = docstrings()
    told = {field for base in kind.__mro__ for field in texts.get(base.__name__, {})}
    assert {field.name for field in msgspec.structs.fields(kind)} <= told
