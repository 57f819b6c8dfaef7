"""MultiClusterService at the door (AA20)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit


def service(*types: str, name: str = "web", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    body = {"types": list(types)} | spec
    return {"apiVersion": "networking.karmada.io/v1alpha1", "kind": "MultiClusterService", "metadata": metadata, "spec": body}


def refusals(manifest: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest, old)[1]]


ACROSS = service("CrossCluster")


@pytest.mark.parametrize(
    ("manifest", "old"),
    [
        pytest.param(ACROSS, None, id="everywhere"),
        pytest.param(
            service("CrossCluster", providerClusters=[{"name": "m1"}], ports=[{"name": "http", "port": 80}, {"port": 81}, {"port": 82}]),
            ACROSS,
            id="narrowed",
        ),
        pytest.param(service("LoadBalancer"), None, id="balancer"),
    ],
)
def test_admitted(manifest: dict[str, Any], old: dict[str, Any] | None) -> None:
    assert refusals(manifest, old) == []


NAME = "name of a cluster has to be 1 to 48 lower case letters, digits or '-', with a letter or digit at both ends"


@pytest.mark.spec("AA20")
@pytest.mark.parametrize(
    ("manifest", "old", "refusal"),
    [
        pytest.param(
            service("CrossCluster", "LoadBalancer"), None,
            "spec.types: MultiClusterService types should not contain more than one type: make one object for each", id="two-types",
        ),
        pytest.param(service(), None, "spec.types: Required value: CrossCluster or LoadBalancer", id="no-type"),
        pytest.param(
            service("NodePort"), None, "spec.types[0]: Unsupported value: 'NodePort'; write one of CrossCluster, LoadBalancer", id="type",
        ),
        pytest.param(
            service("LoadBalancer"), ACROSS,
            "spec.types: MultiClusterService types are immutable: write CrossCluster, or delete the object and make a new one", id="new-type",
        ),
        pytest.param(
            service("CrossCluster", ports=[{"name": "http", "port": 80}, {"name": "http", "port": 81}]), None,
            "spec.ports[1].name: Duplicate value: http names an earlier port", id="port-twice",
        ),
        pytest.param(
            service("CrossCluster", ports=[{"port": 0}]), None, "spec.ports[0].port: must be between 1 and 65535, inclusive", id="port",
        ),
        pytest.param(
            service("CrossCluster", providerClusters=[{"name": "m1"}, {"name": "M_2"}]), None,
            f"spec.providerClusters[1].name: {NAME}", id="provider",
        ),
        pytest.param(service("CrossCluster", consumerClusters=[{}]), None, f"spec.consumerClusters[0].name: {NAME}", id="consumer"),
        pytest.param(
            service("CrossCluster", range={"clusterNames": ["x" * 49]}), None, f"spec.range.clusterNames[0]: {NAME}", id="older-field",
        ),
        pytest.param(
            service("CrossCluster", name="1a"), None,
            "metadata.name: is that of a Service: 1 to 63 lower case letters, digits or '-', beginning with a letter", id="name",
        ),
    ],
)  # fmt: skip
def test_refused(manifest: dict[str, Any], old: dict[str, Any] | None, refusal: str) -> None:
    assert refusals(manifest, old) == [refusal]
