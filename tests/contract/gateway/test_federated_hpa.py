"""FederatedHPA on a real bus: kubectl shows it as it shows an autoscaler, and what it sets is a write like any other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.meta import Ref

GROUP = "autoscaling.karmada.io/v1alpha1"
POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": POD},
}
FEDERATED_HPA = {
    "apiVersion": GROUP,
    "kind": "FederatedHPA",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 4, "maxReplicas": 6},
}


@pytest.mark.spec("R15.6", "T01", "A14")
async def test_kubectl_shows_what_it_does(hub: Any) -> None:
    await hub.stop()
    await hub.start(federated_hpa_sync_s=0.5, federated_hpa_timeout_s=0.2)
    for manifest in (DEPLOYMENT, FEDERATED_HPA):
        await hub.kubectl("create", "-f", "-", "--warnings-as-errors", stdin=msgspec.json.encode(manifest).decode())
    told = await hub.eventually(
        f"/apis/{GROUP}/namespaces/default/federatedhpas/web", lambda told: _active(told) == "FailedGetResourceMetric"
    )
    assert (told["status"]["currentReplicas"], told["status"]["desiredReplicas"], told["status"]["observedGeneration"]) == (4, 4, 1)
    web = await hub.object(Ref("apps", "Deployment", "default", "web"))
    assert (web.body["spec"]["replicas"], web.body["metadata"]["generation"], web.author) == (4, 2, "gateway/federated-hpa")
    head, row = (await hub.kubectl("get", "fhpa")).splitlines()
    assert head.split() == ["NAME", "REFERENCE-KIND", "REFERENCE-NAME", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert row.split()[:6] == ["web", "Deployment", "web", "4", "6", "4"]
    assert "no pods returned by selector" in await hub.kubectl("describe", "fhpa", "web")


def _active(told: dict[str, Any]) -> str:
    conditions = told.get("status", {}).get("conditions") or ()
    return str(next((one["reason"] for one in conditions if one["type"] == "ScalingActive"), ""))
