"""FederatedResourceQuota at the door (AA17)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit

OVERALL = {"requests.cpu": "10", "pods": 20}


def quota(*assignments: dict[str, Any], name: str = "q", overall: dict[str, Any] | None = None) -> dict[str, Any]:
    spec = {"overall": OVERALL if overall is None else overall, "staticAssignments": list(assignments)}
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "FederatedResourceQuota", "metadata": metadata, "spec": spec}


def part(cluster: str, **hard: Any) -> dict[str, Any]:
    return {"clusterName": cluster, "hard": {name.replace("_", "."): value for name, value in hard.items()}}


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(quota(), id="overall-only"),
        pytest.param(quota(part("m1", requests_cpu="5500m"), part("m2", requests_cpu="4.5", pods=20)), id="parts-use-it-up"),
        pytest.param(quota(name="q" * 63), id="longest-name"),
    ],
)
def test_admitted(manifest: dict[str, Any]) -> None:
    assert refusals(manifest) == []


@pytest.mark.spec("AA17", "A05")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            quota(part("m1", requests_cpu="6"), part("m2", requests_cpu="4001m")),
            "spec.overall[requests.cpu]: overall is less than assignments: write at least 10001m, or lower the assignments",
            id="parts-exceed-the-whole",
        ),
        pytest.param(
            quota(part("m1", memory="1Gi")),
            "spec.staticAssignments[0].hard[memory]: assignment resourceName is not exist in overall: add memory to spec.overall or leave it out",
            id="unknown-resource",
        ),
        pytest.param(quota(name="q" * 64), "metadata.name: must be no more than 63 characters: it becomes a label value", id="long-name"),
        pytest.param(
            quota(part("M1")),
            "spec.staticAssignments[0].clusterName: name of a cluster has to be 1 to 48 lower case letters, digits or '-', with a letter or "
            "digit at both ends",
            id="cluster-name",
        ),
        pytest.param(
            quota(part("m1"), part("m1")),
            "spec.staticAssignments[1].clusterName: Duplicate value: m1 has its part before",
            id="cluster-twice",
        ),
        pytest.param(
            quota(overall={"cpu": "ten"}),
            "spec.overall[cpu]: 'ten' is no quantity; write a number with an optional suffix such as m, k, Mi, Gi",
            id="no-quantity",
        ),
        pytest.param(quota(overall={"cpu": True}), 'spec.overall[cpu]: has to be a quantity, such as "500m" or 8Gi', id="no-number"),
        pytest.param(quota(overall={"cpu": "-1"}), "spec.overall[cpu]: must be greater than or equal to 0", id="negative"),
        pytest.param(quota(overall={"pods": "500m"}), "spec.overall[pods]: must be an integer: it counts objects", id="half-a-pod"),
        pytest.param(
            quota(overall={"a/b/c": "1"}),
            "spec.overall[a/b/c]: name of a resource: the part before '/' has to be 1 to 253 lower case letters, digits, '-' or '.', with a "
            "letter or digit at both ends of each part",
            id="resource-name",
        ),
        pytest.param(
            quota(overall={}),
            "spec.overall: Required value: what the namespace may use in all clusters together, such as requests.cpu",
            id="empty",
        ),
    ],
)
def test_refused(manifest: dict[str, Any], refusal: str) -> None:
    assert refusals(manifest) == [refusal]
