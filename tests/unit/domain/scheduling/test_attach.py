"""Dependencies follow their owners (R9)."""

from __future__ import annotations

import pytest

from shoal.api.binding import BindingSnapshot, Removal
from shoal.domain.scheduling import Snapshot, attach
from support import build

WEB, API = build.ref(name="web"), build.ref(name="api")
SNAPSHOT = Snapshot([build.cluster(name) for name in ("m1", "m2", "m3", "m4")])
UID = "uid-secret-s"


def owner(ref, *names):
    return ref, build.binding(*(build.target(name, 1) for name in names))


def attached(own=(), owners=(), previous=None, removals=None, snapshot=SNAPSHOT):
    return attach(own, removals or {}, owners, previous, snapshot, uid=UID, now=build.NOW, position=100)


def names(joined):
    return [target.name for target in joined.clusters]


def standing(joined):
    return build.binding(*joined.clusters, uid=UID, removals=joined.removals, required_by=joined.required_by, attached=joined.attached)


# Ex 9-a: "web on m1,m2 and api on m2,m3 share Secret s -> s on m1,m2,m3. web deleted -> s on m2,m3. api drops the reference -> s removed"
@pytest.mark.spec("K01", "K02", "K03", "R9.1", "R9.2", "R9.4")
def test_shared_dependency():
    both = attached(owners=[owner(WEB, "m1", "m2"), owner(API, "m2", "m3")])
    assert names(both) == ["m1", "m2", "m3"]
    assert both.required_by == (BindingSnapshot(owner=API, clusters=("m2", "m3")), BindingSnapshot(owner=WEB, clusters=("m1", "m2")))
    without_web = attached(owners=[owner(API, "m2", "m3")], previous=standing(both))
    assert names(without_web) == ["m2", "m3"]
    assert without_web.removals == {
        "m1": Removal(
            reason="OwnersMoved",
            author="apps/Deployment/shop/web",
            epoch=100,
            since="2026-08-01T12:00:00Z",
            wait_for="OwnersGone",
            owners=(WEB,),
            unnamed=(WEB,),
        )
    }
    nobody = attached(previous=standing(without_web), removals=without_web.removals)
    assert names(nobody) == []
    assert {name: removal.owners for name, removal in nobody.removals.items()} == {"m1": (WEB,), "m2": (API,), "m3": (API,)}


@pytest.mark.spec("R9.4")
def test_an_owner_that_moves_still_names_it_and_one_that_drops_it_does_not():
    """web moves from m1 to m2 and still names the ConfigMap; api stays on m1 and no longer names it."""
    both = attached(owners=[owner(WEB, "m1"), owner(API, "m1")])
    left = attached(owners=[owner(WEB, "m2")], previous=standing(both))
    assert (left.removals["m1"].owners, left.removals["m1"].unnamed) == ((API, WEB), (API,))


# Ex 9-b: "ConfigMap c has its own PP to m4 and is used by web (m1) -> c on m1 and m4; web deleted -> only m4."
@pytest.mark.spec("K05", "R9.2")
def test_dependency_with_its_own_policy():
    own = (build.target("m4", epoch=3),)
    joined = attached(own, owners=[owner(WEB, "m1")])
    assert (names(joined), joined.attached) == (["m1", "m4"], ("m1",))
    alone = attached(own, previous=standing(joined))
    assert (names(alone), alone.attached, list(alone.removals)) == (["m4"], (), ["m1"])


def test_what_owners_still_need_is_not_removed():
    joined = attached(owners=[owner(WEB, "m1")], removals={"m1": Removal(reason="PolicyChanged", author="x", epoch=3)})
    assert (names(joined), joined.removals, joined.clusters[0].epoch) == (["m1"], {}, 100)


def test_who_stays_keeps_its_epoch():
    before = build.binding(
        build.target("m1", epoch=7), uid=UID, attached=("m1",), required_by=(BindingSnapshot(owner=WEB, clusters=("m1",)),)
    )
    assert [target.epoch for target in attached(owners=[owner(WEB, "m1", "m2")], previous=before).clusters] == [7, 100]


def test_an_own_target_that_leaves_waits_for_the_owner_that_is_there():
    before = build.binding(build.target("m1"), build.target("m2"), uid=UID, required_by=(BindingSnapshot(owner=WEB, clusters=("m1",)),))
    leaving = {"m1": Removal(reason="PolicyChanged", author="policy/shop/p", epoch=1)}
    joined = attached((build.target("m2"),), previous=before, removals=leaving)
    assert (joined.removals["m1"].wait_for, joined.removals["m1"].owners) == ("OwnersGone", (WEB,))


def test_an_owner_without_targets_asks_for_nothing():
    assert attached(owners=[owner(WEB)]).required_by == ()


@pytest.mark.spec("L14")
def test_forgotten_clusters_are_neither_targets_nor_removals():
    snapshot = Snapshot([build.cluster("m1", forgotten=True), build.cluster("m2")])
    before = build.binding(build.target("m1"), uid=UID, attached=("m1",))
    assert names(attached(owners=[owner(WEB, "m1", "m2")], snapshot=snapshot)) == ["m2"]
    assert attached(previous=before, snapshot=snapshot).removals == {}


def test_a_dependency_made_anew_shares_nothing_with_the_old_one():
    before = build.binding(build.target("m1", epoch=7), uid="uid-old", attached=("m1",))
    assert attached(owners=[owner(WEB, "m1")], previous=before).clusters[0].epoch == 100
