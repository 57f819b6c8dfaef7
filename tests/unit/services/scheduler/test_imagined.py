"""A supposed state reads like a view, and the scheduler over it decides like the real one."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import ref_of
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft, Entry, supposed
from shoal.domain.planning import unfold
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS
from shoal.messages.planning import Supposed
from shoal_scheduler.answers import entry_of
from shoal_scheduler.imagined import Imagined, Picture
from support import build

WEB, SETTINGS = build.ref(), build.ref("ConfigMap", "settings", group="")
APIS = (
    APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),
    APIEnablement(group_version="v1", resources=(APIResource(name="configmaps", kind="ConfigMap"),)),
)
POLICY = {
    "apiVersion": "policy.karmada.io/v1alpha1",
    "kind": "PropagationPolicy",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], "propagateDeps": True, "placement": {}},
}


def entry(body: Any, sequence: int, *, uid: str = "u") -> Entry[Any]:
    return supposed(Draft(family=OBJECT, ref=ref_of(body), body=body, uid=uid), sequence=sequence)


def cluster(name: str, sequence: int) -> list[Entry[Any]]:
    body = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": {}}
    status = ClusterStatus(api_enablements=APIS, resource_summary=ResourceSummary(allocatable={"pods": "10"}))
    belief = Belief(member=name, state=READY, since="", status=status)
    return [entry(body, sequence), supposed(Draft(family=BELIEF, ref=ref_of(body), body=belief), sequence=sequence + 1)]


def web() -> dict[str, Any]:
    return build.deployment("web", replicas=2, volumes=[{"name": "s", "configMap": {"name": "settings"}}])


def loaded(picture: Picture) -> Imagined:
    world = Imagined(picture, now=build.NOW)
    for _ in world.load():
        pass
    return world


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param({}, {"web", "settings", "p", "m1"}, id="all"),
        pytest.param({"kind": "ConfigMap"}, {"settings"}, id="kind"),
        pytest.param({"group": "apps", "kind": "Deployment"}, {"web"}, id="group-and-kind"),
        pytest.param({"namespace": "shop"}, {"web", "settings", "p"}, id="namespace"),
        pytest.param({"group": "apps", "kind": "Deployment", "namespace": "other"}, set(), id="elsewhere"),
    ],
)
def test_a_picture_is_asked_like_a_view(query: dict[str, str], names: set[str]) -> None:
    picture = Picture([entry(web(), 1), entry(build.config_map(), 2), entry(POLICY, 3), *cluster("m1", 4)], 9)
    assert {one.ref.name for one in picture.entries(OBJECT, **query)} == names
    assert picture.position == 9
    assert picture.get(BINDING, WEB) is None
    assert list(picture.entries(STATUS)) == []


def test_what_is_supposed_unfolds_until_it_rests() -> None:
    world = loaded(Picture([*cluster("m1", 1), *cluster("m2", 3)], 10))
    world.suppose([entry(web(), 11), entry(build.config_map(), 12), entry(POLICY, 13)])
    for _ in unfold(world):
        pass
    assert world.replaced == {WEB: None, SETTINGS: None}
    for ref in (WEB, SETTINGS):
        found = world.picture.get(BINDING, ref)
        assert found is not None
        assert [target.name for target in found.body.clusters] == ["m1", "m2"]
        assert found.revision > 13
    assert world.due() is None


def test_a_picture_of_another_does_not_change_with_it() -> None:
    first = Picture([entry(web(), 1)], 1)
    second = Picture.of(first)
    second.put(entry(build.deployment("web", replicas=9), 2))
    assert [one.revision for one in first.entries(OBJECT)] == [1]
    assert second.position == 2


def test_content_that_stays_keeps_its_revision() -> None:
    known = entry(web(), 5)
    assert entry_of(Supposed(ref=WEB, body=web(), uid="u", same_content=True), 20, known).content == 5
    assert entry_of(Supposed(ref=WEB, body=web(), uid="u"), 20, known).content == 20
    assert entry_of(Supposed(ref=WEB, uid="u"), 20, known).deleted
