"""Every file of `examples/` is accepted by the real kubectl, placed, and ready in the members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.api import yaml
from support.machine import ROOT, Machine, eventually, machine

EXAMPLES = ROOT / "examples"
FOLDERS = sorted({path.parent.name for path in EXAMPLES.glob("*/*.yaml")})


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Three members where `shoal up` puts them by itself: the regions and vendors that the examples speak of."""
    state: Path = tmp_path_factory.mktemp("hub") / "state"
    with machine(state, "--members", "3") as it:
        yield it


def manifests(folder: str) -> list[dict[str, Any]]:
    return [one for path in sorted((EXAMPLES / folder).glob("*.yaml")) for one in yaml.load_all(path.read_bytes(), source=str(path))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_accepted_placed_and_ready(hub: Machine, folder: str) -> None:
    found = manifests(folder)
    namespaces = [one for one in found if one["kind"] == "Namespace"]
    hub.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": namespaces}))
    said = hub.kubectl("apply", "-f", str(EXAMPLES / folder))
    assert len(said.splitlines()) == len(found), said
    workloads = [one for one in found if one["kind"] in ("Deployment", "Job")]
    assert workloads
    for one in workloads:
        kind, name, namespace = one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]
        group = one["apiVersion"].rpartition("/")[0]

        def copies(g: str = group, k: str = kind, ns: str = namespace, n: str = name) -> list[str]:
            return [target["cluster"] for target in hub.hub.get(f"/api/explain/{g}/{k}/{ns}/{n}")["clusters"]]

        placed = eventually(copies, limit_s=15, what=f"{kind} {name} is placed")
        for cluster in placed:
            eventually(
                lambda c=cluster, k=kind, n=name, ns=namespace: ready(hub, c, k, n, ns), limit_s=40, what=f"{name} ready in {cluster}"
            )
            beside(hub, cluster, one)


@pytest.mark.parametrize("folder", FOLDERS)
def test_applying_it_again_changes_nothing(hub: Machine, folder: str) -> None:
    def generations() -> dict[str, int]:
        shown = json.loads(hub.kubectl("get", "-f", str(EXAMPLES / folder), "-o", "json"))["items"]
        return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"].get("generation", 0) for one in shown}

    hub.kubectl("apply", "-f", str(EXAMPLES / folder))
    before = generations()
    # kubectl says "configured" of policies: like Karmada, the hub fills in the namespace of each selector.
    hub.kubectl("apply", "-f", str(EXAMPLES / folder))
    assert generations() == before


def ready(hub: Machine, cluster: str, kind: str, name: str, namespace: str) -> bool:
    live = hub.objects(cluster, kind.lower() + "s", namespace)[name]
    status, spec = live.get("status", {}), live["spec"]
    if kind == "Job":
        return bool(status.get("succeeded", 0) >= (spec.get("completions") or 1))
    return bool(status.get("availableReplicas", 0) == spec["replicas"] and spec["replicas"] > 0)


def beside(hub: Machine, cluster: str, one: dict[str, Any]) -> None:
    """Whatever its pods name is in the same cluster."""
    spec, namespace = one["spec"]["template"]["spec"], one["metadata"]["namespace"]
    text = json.dumps(spec)
    for kind, plural in (("ConfigMap", "configmaps"), ("Secret", "secrets"), ("ServiceAccount", "serviceaccounts")):
        own = {m["metadata"]["name"] for m in manifests_of_kind(kind, namespace)}
        named = {name for name in own if f'"{name}"' in text}
        assert named <= set(hub.objects(cluster, plural, namespace)), f"{kind}s of {one['metadata']['name']} in {cluster}"


def manifests_of_kind(kind: str, namespace: str) -> list[dict[str, Any]]:
    everything = [one for folder in FOLDERS for one in manifests(folder)]
    return [one for one in everything if one["kind"] == kind and one["metadata"].get("namespace") == namespace]


def test_the_examples_are_whole_deploys_too(hub: Machine) -> None:
    for folder in FOLDERS:
        result = hub.shoal("deploy", "-f", str(EXAMPLES / folder), "--timeout", "60")
        assert "refused" not in result.stdout + result.stderr
