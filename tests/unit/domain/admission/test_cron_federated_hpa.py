"""CronFederatedHPA at the door (AA19)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
HPA = {"apiVersion": "autoscaling.karmada.io/v1alpha1", "kind": "FederatedHPA", "name": "web"}
MORNING = {"name": "morning", "schedule": "30 8 * * 1-5", "targetReplicas": 5}


def cron(*rules: dict[str, Any], target: dict[str, Any] = WEB) -> dict[str, Any]:
    spec = {"scaleTargetRef": target, "rules": list(rules)}
    metadata = {"name": "c", "namespace": "shop"}
    return {"apiVersion": "autoscaling.karmada.io/v1alpha1", "kind": "CronFederatedHPA", "metadata": metadata, "spec": spec}


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


@pytest.mark.spec("AA19")
def test_defaults() -> None:
    (rule,) = admit(cron(MORNING))[0]["spec"]["rules"]
    assert rule == MORNING | {"successfulHistoryLimit": 3, "failedHistoryLimit": 3, "suspend": False}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(
            cron(MORNING, {"name": "evening", "schedule": "@daily", "targetReplicas": 0, "timeZone": "Europe/Berlin"}), id="workload"
        ),
        pytest.param(cron({"name": "a", "schedule": "@hourly", "targetMaxReplicas": 9}, target=HPA), id="hpa"),
        pytest.param(cron(MORNING | {"failedHistoryLimit": 0}), id="no-history-of-failures"),
    ],
)
def test_admitted(manifest: dict[str, Any]) -> None:
    assert refusals(manifest) == []


RULE = "spec.rules[0]"


@pytest.mark.spec("AA19")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(cron(MORNING, MORNING), "spec.rules[1].name: Duplicate value: morning names an earlier rule", id="name-twice"),
        pytest.param(cron(MORNING | {"name": "x" * 33}), f"{RULE}.name: has to be 1 to 32 characters", id="long-name"),
        pytest.param(
            cron(MORNING | {"schedule": "61 8 * * *"}),
            f"{RULE}.schedule: invalid cron format: '61' is no minute; write *, a number from 0 to 59, a-b, a list, or */n",
            id="schedule",
        ),
        pytest.param(
            cron(MORNING | {"timeZone": "Mars/Olympus"}),
            f"{RULE}.timeZone: unknown time zone Mars/Olympus: write a name of the tz database, such as Europe/Berlin or UTC",
            id="time-zone",
        ),
        pytest.param(
            cron(MORNING | {"timeZone": "../../etc/passwd"}),
            f"{RULE}.timeZone: unknown time zone ../../etc/passwd: write a name of the tz database, such as Europe/Berlin or UTC",
            id="time-zone-that-is-a-path",
        ),
        pytest.param(
            cron(MORNING, target=HPA),
            f"{RULE}: targetMinReplicas and targetMaxReplicas cannot be nil at the same time if you want to scale FederatedHPA: write one of them",
            id="hpa-without-bounds",
        ),
        pytest.param(
            cron({"name": "a", "schedule": "@daily"}),
            f"{RULE}: targetReplicas cannot be nil if you want to scale Deployment: write how many it is to have",
            id="workload-without-replicas",
        ),
        pytest.param(
            cron(MORNING, target=HPA | {"kind": "CronFederatedHPA"}),
            "spec.scaleTargetRef.kind: invalid scaleTargetRef kind: CronFederatedHPA, only support FederatedHPA of this apiVersion",
            id="target-kind",
        ),
        pytest.param(
            cron(MORNING | {"targetReplicas": -1}), f"{RULE}.targetReplicas: must be between 0 and 2147483647, inclusive", id="negative"
        ),
        pytest.param(
            cron({"name": "a", "schedule": "@daily", "targetMinReplicas": 3, "targetMaxReplicas": 2}, target=HPA),
            f"{RULE}.targetMinReplicas: must not be greater than targetMaxReplicas, which is 2",
            id="bounds-cross",
        ),
        pytest.param(
            cron(MORNING | {"successfulHistoryLimit": 0}),
            f"{RULE}.successfulHistoryLimit: must be between 1 and 32, inclusive",
            id="history",
        ),
    ],
)
def test_refused(manifest: dict[str, Any], refusal: str) -> None:
    assert refusals(manifest) == [refusal]
