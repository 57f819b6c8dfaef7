"""Resource models of Clusters at the hub's door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.servers import NatsServer

from .conftest import running

CLUSTER = """
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec: {{syncMode: Pull{models}}}
"""
ONE_GRADE = ", resourceModels: [{grade: 0, ranges: [{name: cpu, min: 0}]}]"
PATH = "/apis/cluster.karmada.io/v1alpha1/clusters"


async def made(hub: Any, name: str, models: str = "") -> list[int]:
    """The grades of a Cluster, once it was created and then changed."""
    await hub.kubectl("apply", "-f", "-", stdin=CLUSTER.format(name=name, models=models))
    await hub.kubectl("label", "cluster", name, "env=prod")
    _, shown = await hub.get(f"{PATH}/{name}")
    return [model["grade"] for model in shown["spec"].get("resourceModels", ())]


@pytest.mark.spec("L11")
async def test_a_cluster_has_the_models_that_somebody_named(hub: Any) -> None:
    assert await made(hub, "plain") == []
    assert await made(hub, "graded", ONE_GRADE) == [0]
    refused = await hub.kubectl("apply", "-f", "-", stdin=CLUSTER.format(name="typo", models=ONE_GRADE.replace("min", "least")), fails=True)
    assert "unknown field" in refused


@pytest.mark.spec("L11")
async def test_a_hub_may_give_every_cluster_karmadas_nine(server: NatsServer, tmp_path: Path) -> None:
    async with running(server, tmp_path, default_resource_models=True) as hub:
        assert await made(hub, "plain") == [0, 1, 2, 3, 4, 5, 6, 7, 8]
        assert await made(hub, "graded", ONE_GRADE) == [0]
