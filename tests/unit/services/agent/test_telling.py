"""What an agent says of one copy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shoal.api.errors import DependencyMissing, ManifestRejected, MemberUnavailable
from shoal.api.meta import Ref
from shoal.api.work import Work
from shoal.domain.applying import Nothing, Refuse
from shoal_agent.telling import report_of
from support import build

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = Ref("apps", "Deployment", "shop", "web")
WORK = Work(cluster="m1", epoch=7, template_uid="u", template_revision=3)


def live(*, generation: int = 1, observed: int = 1, available: int = 3, finalizers: tuple[str, ...] = ()):
    manifest = build.deployment("web")
    status = {
        "observedGeneration": observed,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": available,
        "availableReplicas": available,
    }
    metadata = {**manifest["metadata"], "uid": "live", "generation": generation, "finalizers": list(finalizers)}
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], "replicas": 3}, "status": status}


def said(found, *, deleted=False, about=None, work=WORK):
    return report_of(work, found, revision=9, deleted=deleted, said=about, drifts=0, apply_ms=1.5, now=NOW)


@pytest.mark.parametrize(
    ("found", "deleted", "about", "expected"),
    [
        pytest.param(live(), False, None, (True, False, "", "Healthy"), id="applied-and-healthy"),
        pytest.param(live(available=1), False, None, (True, False, "", "Unhealthy"), id="applied-not-available"),
        pytest.param(
            live(), False, Nothing(applied=True, reason="AlreadyExists"), (True, False, "AlreadyExists", "Healthy"), id="used-not-owned"
        ),
        pytest.param(live(), False, Nothing(reason="Suspended"), (False, False, "Suspended", "Healthy"), id="suspended-copy-still-watched"),
        pytest.param(live(), False, Refuse(reason="Conflict", message="not ours"), (False, False, "Conflict", "Unknown"), id="conflict"),
        pytest.param(
            None, False, DependencyMissing("no namespace"), (False, False, "DependencyMissing", "Unknown"), id="waits-for-its-namespace"
        ),
        pytest.param(None, False, ManifestRejected("m1", REF, "no"), (False, False, "ManifestRejected", "Unknown"), id="rejected"),
        pytest.param(None, True, None, (False, True, "", "Unknown"), id="gone"),
        pytest.param(live(finalizers=("example.com/hold",)), True, None, (False, False, "Deleting", "Unknown"), id="a-finalizer-holds-it"),
        pytest.param(None, True, MemberUnavailable("down"), (False, False, "MemberUnavailable", "Unknown"), id="not-known-to-be-gone"),
    ],
)
def test_report(found, deleted, about, expected):
    report = said(found, deleted=deleted, about=about)
    assert (report.applied, report.gone, report.reason, report.health) == expected


def test_a_rendering_error_is_told_although_the_last_manifest_stands():
    report = said(live(), work=Work(cluster="m1", epoch=7, template_uid="u", template_revision=3, error="path /x is not there"))
    assert (report.applied, report.reason, report.message) == (False, "OverrideFailed", "path /x is not there")


def test_who_holds_a_deletion_is_named():
    assert "example.com/hold" in said(live(finalizers=("example.com/hold",)), deleted=True).message


def test_the_report_names_what_it_is_about():
    report = said(live())
    assert (report.work_revision, report.epoch, report.template_uid, report.template_revision, report.replicas) == (9, 7, "u", 3, 3)
    assert report.applied_at == "2026-01-01T00:00:00.000Z"
