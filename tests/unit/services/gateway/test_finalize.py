"""Which facts let an object go."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from shoal.api.binding import Binding, Removal, TargetCluster
from shoal.api.status import CopyStatus, TemplateStatus
from shoal_gateway.finalize import template_held_by, without_finalizer


@dataclass(frozen=True)
class Seen:
    revision: int
    body: Any = None
    content: int = 0
    uid: str = "u"
    deleted: bool = False
    inputs: dict[str, int] = field(default_factory=dict)


OBJECT = Seen(10, {"metadata": {}}, content=10)
TOMBSTONE = Seen(12, deleted=True, inputs={"template": 10})
GONE = Seen(13, TemplateStatus(template_uid="u"), inputs={"binding": 12})
SCHEDULER, MONITOR = "waits for the scheduler to take note of the deletion", "waits for the health-monitor to say that no copy is left"


def live(*clusters: str, **removals: Removal) -> Seen:
    return Seen(
        11, Binding(template_uid="u", template_revision=9, clusters=tuple(TargetCluster(name=name) for name in clusters), removals=removals)
    )


APPLYING = CopyStatus(cluster="m1", reason="Applying")
NOT_EMPTY = CopyStatus(cluster="m2", reason="NotEmpty", message="holds v1/x")


@pytest.mark.parametrize(
    ("binding", "status", "held"),
    [
        pytest.param(None, None, SCHEDULER, id="nothing-written-yet"),
        pytest.param(live("m1", m2=Removal(reason="x", author="y")), GONE, "waits for m1, m2", id="binding-stands"),
        pytest.param(live(), None, SCHEDULER, id="binding-without-clusters"),
        pytest.param(Seen(12, uid="old", deleted=True), GONE, SCHEDULER, id="tombstone-of-a-former-object"),
        pytest.param(TOMBSTONE, None, MONITOR, id="monitor-has-said-nothing"),
        pytest.param(TOMBSTONE, Seen(9, TemplateStatus(template_uid="u"), inputs={"binding": 8}), MONITOR, id="monitor-spoke-of-an-older-binding"),
        pytest.param(TOMBSTONE, Seen(13, TemplateStatus(template_uid="x"), uid="x", inputs={"binding": 12}), MONITOR, id="of-another-object"),
        pytest.param(
            TOMBSTONE, Seen(13, TemplateStatus(template_uid="u", copies=(CopyStatus(cluster="m1"),)), inputs={"binding": 12}), "waits for m1",
            id="a-copy-is-left",
        ),
        pytest.param(
            TOMBSTONE,
            Seen(13, TemplateStatus(template_uid="u", copies=(APPLYING, NOT_EMPTY)), inputs={"binding": 12}),
            "waits for m1, m2 (NotEmpty: holds v1/x)",
            id="something-stands-in-the-way",
        ),
        pytest.param(TOMBSTONE, GONE, "", id="gone"),
        pytest.param(TOMBSTONE, Seen(14, deleted=True, inputs={"binding": 12}), "", id="status-ended-too"),
    ],
)  # fmt: skip
def test_template(binding: Seen | None, status: Seen | None, held: str) -> None:
    assert template_held_by(OBJECT, binding, status) == held


def test_what_no_policy_may_place_waits_for_nobody() -> None:
    assert template_held_by(OBJECT, None, None, excluded=True) == ""
    assert template_held_by(OBJECT, live("m1"), None, excluded=True) == "waits for m1"


def test_other_finalizers_stay() -> None:
    manifest = {"metadata": {"finalizers": ["a", "b"]}}
    assert without_finalizer(manifest, "a") == {"metadata": {"finalizers": ["b"]}}
    assert without_finalizer(without_finalizer(manifest, "a"), "b") == {"metadata": {}}
    assert manifest == {"metadata": {"finalizers": ["a", "b"]}}
