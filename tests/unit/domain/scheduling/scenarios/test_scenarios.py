"""Stories of several steps, as pictures; `support/scenario.py` says how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import scenario

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.spec(
    "B12", "B13", "B14", "B16", "B17", "C06", "C19", "D08", "D09", "D10", "E08", "GX01", "GX02", "GX23", "KA04", "N01", "N04", "N12"
)
@pytest.mark.parametrize("story", [pytest.param(path, id=path.stem) for path in STORIES])
def test_scenario(story):
    scenario.run(story)


def test_there_are_stories():
    assert len(STORIES) >= 8
