from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.binding import Removal
from shoal.api.override import ImageOverrider, PlaintextOverrider
from shoal.domain.planning import planned_works
from shoal.domain.rendering import render
from support import build

WEB = build.ref()
CLUSTERS = {name: build.cluster(name) for name in ("m1", "m2")}


def template(image: str = "nginx:1") -> dict[str, Any]:
    web = build.deployment("web", replicas=2, image=image)
    return {**web, "metadata": {**web["metadata"], "generation": 1}}


def binding(**replicas: int):
    return build.binding(*(build.target(name, count) for name, count in replicas.items()))


def live(manifest: Any, binding_: Any) -> dict[str, Any]:
    return {
        target.name: render(manifest, binding_, target, CLUSTERS[target.name], (), template_revision=10, change="01OLD")
        for target in binding_.clusters
    }


def told(planned) -> list[tuple[str, str, list[str]]]:
    found = (one.told(WEB) for one in planned)
    return [(one.cluster, one.action, [field.path for field in one.fields]) for one in found if one is not None]


def test_equal_content_is_no_plan() -> None:
    assert planned_works(template(), binding(m1=2), CLUSTERS, (), live(template(), binding(m1=2)), change="01NEW") == []


@pytest.mark.spec("GX04")
def test_each_cluster_has_its_difference() -> None:
    current = live(template(), binding(m1=2))
    mirror = build.rule(build.affinity("m2"), image_overrider=(ImageOverrider(component="Registry", operator="replace", value="eu"),))
    policy = build.override_policy("o", mirror)
    planned = planned_works(template("nginx:2"), binding(m1=1, m2=1), CLUSTERS, [policy], current)
    first, second = planned
    assert told([first]) == [("m1", "changed", ["spec.replicas", "spec.template.spec.containers[main].image"])]
    assert told([second])[0][:2] == ("m2", "created")
    shown = second.told(WEB)
    assert shown is not None
    assert shown.overrides == ("OverridePolicy/shop/o",)
    assert second.after is not None
    assert second.after.manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "eu/nginx:2"


@pytest.mark.spec("GX04")
def test_an_override_that_fails_keeps_what_runs_and_says_so() -> None:
    current = live(template(), binding(m1=2))
    broken = build.override_policy(
        "o", build.rule(None, plaintext=(PlaintextOverrider(path="/spec/no/such", operator="replace", value=1),))
    )
    (one,) = planned_works(template("nginx:2"), binding(m1=2), CLUSTERS, [broken], current)
    shown = one.told(WEB)
    assert shown is not None
    assert shown.action == "failed"
    assert "OverridePolicy/shop/o" in shown.error
    assert one.after is not None
    assert one.after.manifest == current["m1"].manifest


@pytest.mark.parametrize(
    ("removals", "before", "expected"),
    [
        pytest.param({"m1": Removal(reason="PolicyChanged", author="x")}, {}, [("m1", "deleted", [])], id="leaves"),
        pytest.param({"m1": Removal(reason="PolicyChanged", author="x", preserve=True)}, {}, [("m1", "kept", [])], id="stays-behind"),
        pytest.param({"m1": Removal(reason="x", author="x")}, {"m1": Removal(reason="x", author="x")}, [], id="leaves-already"),
        pytest.param({}, {}, [], id="merely-absent-is-nothing"),
        pytest.param({"m9": Removal(reason="x", author="x")}, {}, [], id="has-no-copy"),
    ],
)
def test_a_copy_goes_with_a_listed_removal(removals, before, expected) -> None:
    current = live(template(), binding(m1=2, m2=2))
    after = msgspec.structs.replace(binding(m2=2), removals=removals)
    was = msgspec.structs.replace(binding(m1=2, m2=2), removals=before)
    assert told(planned_works(template(), after, CLUSTERS, (), current, before=was)) == expected


@pytest.mark.spec("R6.2", "N05")
@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param("m1", [("m1", "deleted", ""), ("m2", "held", "until the copy in m1 is gone (purgeMode Directly)")], id="runs-there"),
        pytest.param("m9", [("m2", "created", "")], id="was-never-told-to-run-there"),
    ],
)
def test_what_has_to_be_gone_first_holds_a_new_copy(left, expected) -> None:
    after = msgspec.structs.replace(binding(m2=2), removals={left: Removal(reason="TaintUntolerated", author="x", first=True)})
    planned = planned_works(template(), after, CLUSTERS, (), live(template(), binding(m1=2)), before=binding(m1=2))
    assert [(one.cluster, one.action, one.error) for one in (item.told(WEB) for item in planned) if one is not None] == expected


def test_a_deleted_template_takes_every_copy() -> None:
    current = live(template(), binding(m1=2, m2=2))
    assert told(planned_works(None, binding(m1=2, m2=2), CLUSTERS, (), current, tombstone=True)) == [
        ("m1", "deleted", []),
        ("m2", "deleted", []),
    ]


def test_marks_alone_are_not_told() -> None:
    newer = template()
    newer["metadata"]["generation"] = 2
    (one,) = planned_works(newer, binding(m1=2), CLUSTERS, (), live(template(), binding(m1=2)))
    assert one.told(WEB) is None
