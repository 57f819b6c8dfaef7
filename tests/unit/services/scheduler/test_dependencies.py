"""Who follows whom, whatever comes first."""

from __future__ import annotations

import pytest

from shoal.api.meta import ref_of
from shoal_scheduler.dependencies import Dependencies
from support import build

NEEDS_SETTINGS = [{"configMap": {"name": "settings"}}]
WEB = build.deployment("web", volumes=NEEDS_SETTINGS)
API = build.deployment("api", volumes=NEEDS_SETTINGS)
SETTINGS = build.config_map("settings")
WEB_REF, API_REF, SETTINGS_REF = ref_of(WEB), ref_of(API), ref_of(SETTINGS)


def owners(known: Dependencies) -> list:
    return [owner for owner, _ in known.owners_of(SETTINGS_REF)]


@pytest.mark.spec("K01", "K04", "R9.1", "R9.4")
def test_a_dependency_that_is_missing_finds_its_owners_when_it_appears():
    known = Dependencies()
    assert SETTINGS_REF in known.heard(WEB_REF, WEB)  # To be decided: it is not there, so nothing comes of it.
    known.heard(SETTINGS_REF, SETTINGS)
    assert owners(known) == [WEB_REF]
    known.heard(SETTINGS_REF, None)
    known.heard(SETTINGS_REF, SETTINGS)
    assert owners(known) == [WEB_REF]  # Made anew, it is needed as before.


@pytest.mark.spec("K03", "R9.4")
def test_an_owner_that_drops_the_reference_or_goes_is_an_owner_no_more():
    known = Dependencies()
    known.heard(WEB_REF, WEB)
    known.heard(API_REF, API)
    assert owners(known) == [API_REF, WEB_REF]
    assert SETTINGS_REF in known.heard(API_REF, build.deployment("api"))
    assert owners(known) == [WEB_REF]
    assert SETTINGS_REF in known.heard(WEB_REF, None)
    assert owners(known) == []
