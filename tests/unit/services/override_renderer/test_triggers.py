"""Which bindings are rendered again when an override policy comes, changes or goes (R5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from shoal.api.cluster import ClusterStatus, ResourceSummary
from shoal.api.meta import Ref, ref_of
from shoal.api.status import READY, Belief
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, Family
from shoal_override_renderer.knowledge import Knowledge
from shoal_override_renderer.wire import Triggers
from support import build


class Told(NamedTuple):
    """What triggers read of an entry."""

    family: Family[Any]
    ref: Ref
    body: Any
    deleted: bool = False
    revision: int = 1


class Standing:
    """A complete view of some entries."""

    complete = True

    def __init__(self, *entries: Told) -> None:
        self._entries = {(entry.family.name, entry.ref): entry for entry in entries}

    def get(self, family: Family[Any], ref: Ref, member: str = "") -> Told | None:
        return self._entries.get((family.name, ref))

    def entries(self, family: Family[Any], *, namespace: str | None = None) -> Iterator[Told]:
        for (name, ref), entry in self._entries.items():
            if name == family.name and namespace in (None, ref.namespace):
                yield entry


class Asked:
    """A queue that remembers its keys."""

    def __init__(self) -> None:
        self.keys: set[Ref] = set()

    def add(self, key: Ref, **_: Any) -> None:
        self.keys.add(key)


WEB, API = build.deployment("web", labels={"tier": "front"}), build.deployment("api")
ELSEWHERE, SETTINGS = build.deployment("web", ns="other", labels={"tier": "front"}), build.config_map()
ALL = (WEB, API, ELSEWHERE, SETTINGS)


def policy(*selectors: Any, ns: str = "shop") -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(build.override_policy("p", build.rule(), of=selectors, ns=ns)))
    return {**body, "kind": "OverridePolicy" if ns else "ClusterOverridePolicy"}


def told(body: dict[str, Any], *, deleted: bool = False) -> Told:
    return Told(OBJECT, Ref("policy.karmada.io", body["kind"], body["metadata"].get("namespace", ""), "p"), body, deleted)


WEB_ONLY, API_ONLY = policy(build.selector(name="web")), policy(build.selector(name="api"))


@pytest.mark.spec("G15", "R5.8")
@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        pytest.param(told(WEB_ONLY), None, [WEB], id="created"),
        pytest.param(told(API_ONLY), told(WEB_ONLY), [WEB, API], id="old-and-new-selectors"),
        pytest.param(told(WEB_ONLY, deleted=True), told(WEB_ONLY), [WEB], id="deleted"),
        pytest.param(told(policy()), None, [WEB, API, SETTINGS], id="without-selectors-all-of-its-namespace"),
        pytest.param(
            told(policy(build.selector(labels={"added": "by-a-cluster-policy"}))), None, [WEB, API], id="by-a-label-that-others-may-add"
        ),
        pytest.param(told(policy(build.selector(labels={"tier": "front"}), ns="")), None, [WEB, ELSEWHERE], id="cluster-policy-everywhere"),
        pytest.param(told(policy(build.selector(name="none"))), None, [], id="speaks-of-nothing"),
    ],
)
def test_override_changes(now: Told, before: Told | None, expected: list[dict[str, Any]]) -> None:
    entries = [Told(OBJECT, ref_of(manifest), manifest) for manifest in ALL]
    bindings = [Told(BINDING, ref_of(manifest), build.binding(build.target("m1"))) for manifest in ALL]
    queue = Asked()
    triggers = Triggers(Standing(*entries, *bindings), Knowledge(), queue)
    if before is not None:
        triggers.heard(before, None)
    queue.keys.clear()
    triggers.heard(now, before)
    assert queue.keys == {ref_of(manifest) for manifest in expected}


def cluster_entry(**fields: Any) -> Told:
    labels, spec = fields.pop("labels", {}), {"provider": "alpha", "region": "eu", **fields}
    body = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m1", "labels": labels}, "spec": spec}
    return Told(OBJECT, Ref("cluster.karmada.io", "Cluster", "", "m1"), body)


def believed(member: str, cpu: str = "8") -> Told:
    status = ClusterStatus(resource_summary=ResourceSummary(allocatable={"cpu": cpu}))
    return Told(BELIEF, Ref("cluster.karmada.io", "Cluster", "", "m1"), Belief(member=member, state=READY, since="", status=status))


@pytest.mark.spec("GX03")
@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(cluster_entry(labels={"tier": "gold"}), [WEB], id="a-label"),
        pytest.param(cluster_entry(region="us"), [WEB], id="a-field"),
        pytest.param(cluster_entry(zones=["eu-a"]), [WEB], id="a-zone"),
        pytest.param(believed("another"), [WEB], id="addressed-under-another-id"),
        pytest.param(believed("id", cpu="4"), [], id="its-room-is-nothing-that-a-rule-asks-for"),
        pytest.param(cluster_entry(), [], id="nothing"),
    ],
)
def test_override_rules_ask_about_the_cluster(now: Told, expected: list[dict[str, Any]]) -> None:
    """Only what runs in that cluster is rendered again, and only for what a rule may ask."""
    entries = [Told(OBJECT, ref_of(manifest), manifest) for manifest in ALL]
    bindings = [
        Told(BINDING, ref_of(WEB), build.binding(build.target("m1"))),
        Told(BINDING, ref_of(API), build.binding(build.target("m2"))),
    ]
    queue = Asked()
    triggers = Triggers(Standing(*entries, *bindings), Knowledge(), queue)
    triggers.heard(cluster_entry(), None)
    triggers.heard(believed("id"), None)
    queue.keys.clear()
    triggers.heard(now, None)
    assert queue.keys == {ref_of(manifest) for manifest in expected}
