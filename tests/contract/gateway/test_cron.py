"""CronFederatedHPA: a rule that is due sets its target, and kubectl shows what came of it.

A moment is due by what the status promises; the tests write a promise that has just come, as a gateway that was away finds it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shoal.api.meta import Ref
from support.servers import eventually

GROUP = "autoscaling.karmada.io/v1alpha1"
CRONS = f"/apis/{GROUP}/namespaces/default/cronfederatedhpas"
CRON = Ref("autoscaling.karmada.io", "CronFederatedHPA", "default", "waves")
WEB = Ref("apps", "Deployment", "default", "web")
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
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 6},
}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}}
FLEETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "fleets.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "fleets", "singular": "fleet", "kind": "Fleet", "listKind": "FleetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {"scale": {"specReplicasPath": ".spec.ships", "statusReplicasPath": ".status.ships"}},
            }
        ],
    },
}
FLEET = {"apiVersion": "example.org/v1", "kind": "Fleet", "metadata": {"name": "web", "namespace": "default"}, "spec": {"ships": 1}}


async def make(hub: Any, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        await hub.kubectl("apply", "-f", "-", stdin=msgspec.json.encode(manifest).decode())


async def promise(hub: Any, target: dict[str, Any], **rule: Any) -> datetime:
    """A CronFederatedHPA for that target whose only rule came a minute ago, and comes again tomorrow; that moment."""
    came = (datetime.now(UTC) - timedelta(minutes=1)).replace(second=0, microsecond=0)
    reference = {"apiVersion": target["apiVersion"], "kind": target["kind"], "name": target["metadata"]["name"]}
    spec = {"scaleTargetRef": reference, "rules": [{"name": "now", "schedule": f"{came.minute} {came.hour} * * *", **rule}]}
    await make(hub, {"apiVersion": GROUP, "kind": "CronFederatedHPA", "metadata": {"name": "waves", "namespace": "default"}, "spec": spec})
    await hub.eventually(f"{CRONS}/waves", lambda told: "nextExecutionTime" in history(told))
    await write(hub, came.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return came


async def write(hub: Any, moment: str) -> None:
    """A status with that promise."""
    written = {"status": {"executionHistories": [{"ruleName": "now", "nextExecutionTime": moment}]}}
    status, told = await hub.send("PATCH", f"{CRONS}/waves/status", written, media="application/merge-patch+json")
    assert status == 200, told


def history(told: dict[str, Any]) -> dict[str, Any]:
    (found,) = told.get("status", {}).get("executionHistories") or ({},)
    return dict(found)


@pytest.mark.spec("R15.7", "T04", "A15")
async def test_a_rule_that_is_due_sets_the_replicas_of_its_target(hub: Any) -> None:
    await make(hub, DEPLOYMENT)
    came = await promise(hub, DEPLOYMENT, targetReplicas=5)
    told = await hub.eventually(f"{CRONS}/waves", lambda told: "successfulExecutions" in history(told))
    (done,) = history(told)["successfulExecutions"]
    assert done["appliedReplicas"] == 5
    assert datetime.fromisoformat(done["scheduleTime"]) == came < datetime.fromisoformat(done["executionTime"])
    assert datetime.fromisoformat(history(told)["nextExecutionTime"]) == came + timedelta(days=1)
    _, web = await hub.get("/apis/apps/v1/namespaces/default/deployments/web")
    assert (web["spec"]["replicas"], web["metadata"]["generation"]) == (5, 2)
    scaled, cron = await hub.object(WEB), await hub.object(CRON)
    assert (scaled.author, len(scaled.change), scaled.revision + 1) == ("gateway/cron", 26, cron.revision), "one batch"
    assert cron.content < scaled.revision, "a status is no new content"


@pytest.mark.spec("T04", "A15")
async def test_kubectl_shows_the_history_and_warns_of_nothing(hub: Any) -> None:
    await make(hub, DEPLOYMENT)
    await promise(hub, DEPLOYMENT, targetReplicas=5)
    await hub.eventually(f"{CRONS}/waves", lambda told: "successfulExecutions" in history(told))
    head, row = (await hub.kubectl("get", "cronfhpa")).splitlines()
    assert (head.split(), row.split()[:3]) == (["NAME", "REFERENCE-KIND", "REFERENCE-NAME", "AGE"], ["waves", "Deployment", "web"])
    described = await hub.kubectl("describe", "cronfhpa", "waves")
    assert "Successful Executions" in described
    assert "Applied Replicas:" in described
    again = {
        "apiVersion": GROUP,
        "kind": "CronFederatedHPA",
        "metadata": {"name": "other"},
        "spec": {"scaleTargetRef": {"kind": "Pod", "name": "x"}},
    }
    await hub.kubectl("create", "-f", "-", "--warnings-as-errors", stdin=msgspec.json.encode(again).decode())


@pytest.mark.spec("R15.7", "T04")
@pytest.mark.parametrize(
    ("made", "target", "rule", "path", "spec"),
    [
        pytest.param((FEDERATED_HPA,), FEDERATED_HPA, {"targetMinReplicas": 3}, f"/apis/{GROUP}/namespaces/default/federatedhpas/web",
                     {"minReplicas": 3, "maxReplicas": 6}, id="one-bound-of-a-federated-hpa"),
        pytest.param((FEDERATED_HPA,), FEDERATED_HPA, {"targetMinReplicas": 7, "targetMaxReplicas": 9},
                     f"/apis/{GROUP}/namespaces/default/federatedhpas/web", {"minReplicas": 7, "maxReplicas": 9}, id="both-bounds"),
        pytest.param((FLEETS, FLEET), FLEET, {"targetReplicas": 4}, "/apis/example.org/v1/namespaces/default/fleets/web", {"ships": 4},
                     id="a-custom-kind-with-a-scale-of-its-own"),
    ],
)  # fmt: skip
async def test_other_targets(
    hub: Any, made: tuple[dict[str, Any], ...], target: dict[str, Any], rule: dict[str, Any], path: str, spec: dict[str, int]
) -> None:
    for manifest in made:

        async def there(manifest: dict[str, Any] = manifest) -> bool:
            return await applied(hub, manifest)

        await eventually(there)
    await promise(hub, target, **rule)
    told = await hub.eventually(path, lambda told: spec.items() <= told.get("spec", {}).items())
    assert told["metadata"]["generation"] == 2
    await hub.eventually(f"{CRONS}/waves", lambda told: len(history(told).get("successfulExecutions", ())) == 1)


async def applied(hub: Any, manifest: dict[str, Any]) -> bool:
    """Whether it is there; an object of a new kind has to wait for its definition."""
    process = asyncio.ensure_future(hub.kubectl("apply", "-f", "-", stdin=msgspec.json.encode(manifest).decode()))
    await asyncio.wait((process,))
    return process.exception() is None


@pytest.mark.spec("R15.7", "T04")
@pytest.mark.parametrize(
    ("made", "target", "rule", "told"),
    [
        pytest.param((), DEPLOYMENT, {"targetReplicas": 5}, 'NotFound: deployments.apps "web" not found', id="no-such-object"),
        pytest.param((SETTINGS,), SETTINGS, {"targetReplicas": 5}, "ConfigMap has no scale, so that nothing can set its replicas", id="scale"),
        pytest.param((), FLEET, {"targetReplicas": 5}, "the hub does not know kind Fleet of example.org/v1; write both as in the object itself",
                     id="no-such-kind"),
        pytest.param((FEDERATED_HPA,), FEDERATED_HPA, {"targetMinReplicas": 9}, "Invalid:", id="the-target's-own-rules"),
    ],
)  # fmt: skip
async def test_what_cannot_be_set_is_a_failed_execution_with_a_sentence(
    hub: Any, made: tuple[dict[str, Any], ...], target: dict[str, Any], rule: dict[str, Any], told: str
) -> None:
    await make(hub, *made)
    await promise(hub, target, **rule)
    shown = await hub.eventually(f"{CRONS}/waves", lambda shown: "failedExecutions" in history(shown))
    (failed,) = history(shown)["failedExecutions"]
    assert failed["message"].startswith(told)
    assert "successfulExecutions" not in history(shown)


@pytest.mark.spec("R15.7", "T04")
async def test_a_suspended_rule_does_nothing(hub: Any) -> None:
    await make(hub, DEPLOYMENT)
    await promise(hub, DEPLOYMENT, targetReplicas=5)
    await hub.eventually(f"{CRONS}/waves", lambda told: "successfulExecutions" in history(told))
    _, cron = await hub.get(f"{CRONS}/waves")
    suspended = {"spec": {"rules": [rule | {"suspend": True} for rule in cron["spec"]["rules"]]}}
    await hub.send("PATCH", f"{CRONS}/waves", suspended, media="application/merge-patch+json")
    told = await hub.eventually(f"{CRONS}/waves", lambda told: "nextExecutionTime" not in history(told))
    assert len(history(told)["successfulExecutions"]) == 1, "what it did stays to be seen"


@pytest.mark.spec("R15.7")
async def test_a_status_that_cannot_be_read_is_begun_anew(hub: Any) -> None:
    await make(hub, DEPLOYMENT)
    came = await promise(hub, DEPLOYMENT, targetReplicas=5)
    await hub.eventually(f"{CRONS}/waves", lambda told: "successfulExecutions" in history(told))
    await write(hub, "soon")
    told = await hub.eventually(f"{CRONS}/waves", lambda told: history(told).get("nextExecutionTime", "soon") != "soon")
    assert history(told) == {"ruleName": "now", "nextExecutionTime": (came + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}
