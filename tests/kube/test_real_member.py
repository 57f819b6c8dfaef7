"""A real member can be killed and started again, and plays what other tests count on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube.build import PACKAGES, found, kubernetes_version
from kube.real_member import RealMember

pytestmark = pytest.mark.kube
LIMIT_S = 30.0
APPS = "/apis/apps/v1/namespaces/default/deployments"


def deployment(name: str, image: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def eventually(question: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not question():
        assert time.monotonic() < limit, f"not within {LIMIT_S} s"
        time.sleep(0.1)


def reasons(member: RealMember, app: str) -> list[str]:
    """Why containers of an application wait."""
    pods = member.request("GET", f"/api/v1/namespaces/default/pods?labelSelector=app%3D{app}")[1]["items"]
    states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", ())]
    return [state["waiting"]["reason"] for state in states if "waiting" in state]


def test_it_runs_deployments_and_is_the_same_after_a_kill(tmp_path: Path) -> None:
    binaries = found()
    if missing := sorted(set(PACKAGES) - set(binaries)):
        pytest.skip(f"no {', '.join(missing)}; `python tests/kube/build.py` builds them")

    def available(name: str) -> int:
        return int(member.request("GET", f"{APPS}/{name}")[1].get("status", {}).get("availableReplicas", 0))

    with RealMember("m1", tmp_path / "m1", binaries, nodes=2) as member:
        assert member.request("GET", "/version")[1]["gitVersion"] == kubernetes_version()
        for name, image in (("web", "nginx:1"), ("bad", "nginx:broken")):
            assert member.request("POST", APPS, deployment(name, image))[0] == 201
        eventually(lambda: available("web") == 2 and reasons(member, "bad") == ["ImagePullBackOff"] * 2)
        assert available("bad") == 0
        uid = member.request("GET", "/api/v1/namespaces/kube-system")[1]["metadata"]["uid"]
        member.kill()
        with pytest.raises(OSError, match="refused"):
            member.request("GET", "/readyz")
        member.start()
        assert member.request("GET", "/api/v1/namespaces/kube-system")[1]["metadata"]["uid"] == uid
        eventually(lambda: available("web") == 2)
    assert not any(member.running(part) for part in PACKAGES)
