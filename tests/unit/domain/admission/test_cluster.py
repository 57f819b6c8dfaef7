"""Cluster at the door (AA16)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.cluster import ResourceModel, grades_of
from shoal.domain.admission import admit, with_default_models
from shoal.domain.admission.cluster import GRADES_MAX


def cluster(name: str = "m1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}


def refusals(manifest: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest, old)[1]]


def grades(*bounds: tuple[Any, Any], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"grade": grade, "ranges": [{"name": "cpu", "min": low} | ({"max": high} if high else {})]}
        for grade, (low, high) in enumerate(bounds, first)
    ]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(cluster(syncMode="Pull"), id="pull"),
        pytest.param(cluster(taints=[{"key": "gpu", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoExecute"}]), id="taints"),
        pytest.param(cluster(resourceModels=grades(("0", "1"), ("1", "2"), ("2", str(2**63 - 1)))), id="models"),
        pytest.param(cluster(resourceModels=grades((0, 1.5), (1.5, None), first=1)), id="numbers-are-quantities-and-grades-begin-anywhere"),
        pytest.param(cluster("x" * 48), id="longest-name"),
        pytest.param(cluster() | {"status": {"nodeSummary": {"totalNum": "many"}}}, id="status-is-the-systems"),
    ],
)
def test_admitted(manifest):
    assert refusals(manifest) == []


@pytest.mark.spec("AA16", "C09", "L11")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            cluster("x" * 49),
            "metadata.name: has to be 1 to 48 lower case letters, digits or '-', with a letter or digit at both ends",
            id="long-name",
        ),
        pytest.param(cluster(syncMode="Poll"), "spec.syncMode: Unsupported value: 'Poll'; write one of Push, Pull", id="mode"),
        pytest.param(
            cluster(taints=[{"key": "a", "effect": "PreferNoSchedule"}]),
            "spec.taints[0].effect: Unsupported value: 'PreferNoSchedule'; write one of NoSchedule, NoExecute",
            id="a-preference-is-no-taint",
        ),
        pytest.param(
            cluster(taints=[{"key": "a"}, {"key": "a"}]),
            "spec.taints[1]: Duplicate value: a:NoSchedule; a taint is told by its key and effect",
            id="taint-twice",
        ),
        pytest.param(
            cluster(resourceModels=grades(("1", "2"), ("2", None))),
            "spec.resourceModels[0].ranges: the lowest range of cpu begins at 0",
            id="first-from-0",
        ),
        pytest.param(
            cluster(resourceModels=grades(("0", "1"), ("2", None))),
            "spec.resourceModels[1].ranges: the range of cpu begins where the one before it ends",
            id="gap",
        ),
        pytest.param(
            cluster(resourceModels=grades(("0", "1"), ("1", "2"))),
            f"spec.resourceModels[1].ranges: the highest range of cpu has no end: write max {2**63 - 1} or leave it out",
            id="last-without-end",
        ),
        pytest.param(
            cluster(resourceModels=grades(("0", "1"), first=1) + grades(("1", None), first=1)),
            "spec.resourceModels[1].grade: grades ascend: write at least 2",
            id="grades",
        ),
        pytest.param(
            cluster(resourceModels=grades(("0", None), first=-1)),
            "spec.resourceModels[0].grade: grades ascend: write at least 0",
            id="grades-from-0-on",
        ),
        pytest.param(
            cluster(resourceModels=[*grades(("0", "1"), ("1", None)), {"grade": 2, "ranges": [{"name": "memory"}]}]),
            "spec.resourceModels[2].ranges: every grade has one range for each of the same resources, at least one",
            id="other-resources",
        ),
        pytest.param(
            cluster(resourceModels=[{"grade": 0, "ranges": [{"name": "cpu"}, {"name": "cpu"}]}]),
            "spec.resourceModels[0].ranges: every grade has one range for each of the same resources, at least one",
            id="a-resource-twice",
        ),
        pytest.param(
            cluster(resourceModels=[{"grade": 0}]),
            "spec.resourceModels[0].ranges: every grade has one range for each of the same resources, at least one",
            id="no-resources",
        ),
        pytest.param(
            cluster(resourceModels=[{"grade": 0, "ranges": [{"min": "0"}]}]),
            "spec.resourceModels[0].ranges[0].name: Required value",
            id="a-range-of-nothing",
        ),
        pytest.param(
            cluster(resourceModels=grades(*((str(low), str(low + 1)) for low in range(GRADES_MAX)), (str(GRADES_MAX), None))),
            "spec.resourceModels: has 65 grades; write at most 64",
            id="too-many",
        ),
        pytest.param(
            cluster(resourceModels=grades(("zero", None))),
            "spec.resourceModels: range of cpu: 'zero' is no quantity; write a number with an optional suffix such as m, k, Mi, Gi",
            id="quantity",
        ),
    ],
)
def test_refused(manifest, refusal):
    assert refusals(manifest) == [refusal]


@pytest.mark.spec("L03")
def test_the_identity_stays():
    assert refusals(cluster(id="b"), cluster(id="a")) == [
        "spec.id: is the identity of the physical cluster and cannot change; join another cluster under another name"
    ]
    assert refusals(cluster(id="b"), cluster()) == []


@pytest.mark.spec("R10.5")
def test_no_execute_taints_get_their_time():
    manifest = cluster(taints=[{"key": "a", "effect": "NoExecute"}, {"key": "b", "effect": "NoSchedule"}])
    answer, _ = admit(manifest, now="2026-08-01T12:00:00Z")
    assert answer["spec"]["taints"] == [
        {"key": "a", "effect": "NoExecute", "timeAdded": "2026-08-01T12:00:00Z"},
        {"key": "b", "effect": "NoSchedule"},
    ]
    assert admit(answer, answer, now="2026-08-01T13:00:00Z")[0] == answer


@pytest.mark.spec("L11")
def test_karmadas_nine_grades():
    """Ex 4-k: "Default grades, counts g1:2 (1 cpu,4Gi), g2:1 (2 cpu,16Gi)"."""
    filled = with_default_models(cluster(provider="alpha"))
    assert refusals(filled) == []
    assert filled["spec"]["provider"] == "alpha"
    found = grades_of(msgspec.convert(filled["spec"]["resourceModels"], tuple[ResourceModel, ...]))
    assert [(grade.number, *grade.least.values()) for grade in found] == [
        (0, "0", "0"), (1, "1", "4Gi"), (2, "2", "16Gi"), (3, "4", "32Gi"), (4, "8", "64Gi"), (5, "16", "128Gi"), (6, "32", "256Gi"),
        (7, "64", "512Gi"), (8, "128", "1Ti"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(cluster(resourceModels=grades(("0", None))), id="its-own"),
        pytest.param({**cluster(), "spec": "none"}, id="what-is-wrong-is-told-as-it-came"),
    ],
)
def test_what_names_models_keeps_them(manifest):
    assert with_default_models(manifest) == manifest
