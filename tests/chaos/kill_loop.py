"""Kills any process at any time while deploys run; after each round the result must be the same as without.

`python tests/chaos/kill_loop.py --rounds 50 [--seed N]`. Each round sends one deploy (a new version of a small application), kills one process with
SIGKILL somewhere around it, and waits until the change is ready and every member holds exactly what was deployed: no lost accepted deploy, no
duplicate, nothing else deleted. At the end everything is restarted with nothing changed, and no member may see a write.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.machine import Machine, eventually, machine

MEMBERS = ("m1", "m2")
NAMESPACE = "loop"
POLICY = {
    "apiVersion": "policy.karmada.io/v1alpha1",
    "kind": "PropagationPolicy",
    "metadata": {"name": "loop", "namespace": NAMESPACE},
    "spec": {
        "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "apps/v1", "kind": "Deployment"}],
        "placement": {"clusterAffinity": {"clusterNames": list(MEMBERS)}},
    },
}


def config(version: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": NAMESPACE, "labels": {"shoal.dev/application": "loop"}},
        "data": {"version": str(version)},
    }


def deployment(version: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE, "labels": {"shoal.dev/application": "loop"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": f"registry.example/web:{version}"}]},
            },
        },
    }


def event(version: int) -> dict[str, Any]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    manifests = [namespace, POLICY, config(version), deployment(version)]
    return {
        "id": f"round-{version}",
        "source": "kill-loop",
        "data": {"application": "loop", "version": str(version), "manifests": manifests},
    }


def held(it: Machine, member: str) -> tuple[str, str]:
    """(version of the ConfigMap, image of the Deployment) in one member."""
    settings = it.objects(member, "configmaps", NAMESPACE)["settings"]
    web = it.objects(member, "deployments", NAMESPACE)["web"]
    return settings["data"]["version"], web["spec"]["template"]["spec"]["containers"][0]["image"]


def unwanted(it: Machine, member: str) -> list[str]:
    """Objects in the member that nobody deployed, or deployed ones that are missing."""
    configs = set(it.objects(member, "configmaps", NAMESPACE)) - {"kube-root-ca.crt"}
    deployments = set(it.objects(member, "deployments", NAMESPACE))
    return [] if (configs, deployments) == ({"settings"}, {"web"}) else [f"{member}: {sorted(configs)} {sorted(deployments)}"]


def one_round(it: Machine, version: int, chance: random.Random, kills: Counter[str]) -> float:
    """One deploy and one kill; the seconds from the answer until it was ready everywhere."""
    victims = it.processes()
    victims.pop("supervisor", None)
    name = chance.choice(sorted(victims))
    kills[name.split("-")[0] if name.startswith("member") else name] += 1

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victims[name], signal.SIGKILL)

    timer = threading.Timer(chance.uniform(0.0, 0.3), kill)
    timer.start()
    answer = it.deploy(event(version))
    timer.join()
    started = time.monotonic()
    assert answer.get("accepted"), f"round {version} (killed {name}): {answer}\n{it.tails()}"
    wanted = (str(version), f"registry.example/web:{version}")

    def ready() -> bool:
        return it.hub.get(f"/api/changes/{answer['change']}")["state"] == "ready"

    what = f"round {version}: change {answer['change']} everywhere after {name} was killed"
    try:
        for member in MEMBERS:
            eventually(lambda m=member: held(it, m) == wanted, limit_s=60, what=f"{what} ({member})")
        eventually(ready, limit_s=60, what=f"{what}, and said so")
    except Exception:
        print(it.tails(40))
        raise
    again = it.deploy(event(version))
    assert again.get("change") == answer["change"], f"the repeated event was answered otherwise: {again}"
    return time.monotonic() - started


def quiet_restart(it: Machine) -> None:
    """Everything stops and starts with nothing changed: no member may see a write."""

    def versions() -> dict[str, str]:
        return {
            f"{member}/{kind}/{name}": item["metadata"]["resourceVersion"]
            for member in MEMBERS
            for kind in ("configmaps", "deployments")
            for name, item in it.objects(member, kind, NAMESPACE).items()
        }

    def at_rest() -> dict[str, str] | None:
        """The last round may still be rolling out its pods."""
        first = versions()
        time.sleep(3)
        return first if versions() == first else None

    before = eventually(at_rest, limit_s=60, what="members at rest")
    it.down()
    it.up("--members", ",".join(MEMBERS))
    time.sleep(5)
    assert versions() == before, "a restart with nothing changed wrote to a member"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    chance, kills, times = random.Random(arguments.seed), Counter[str](), []
    print(f"seed {arguments.seed}, {arguments.rounds} rounds, members {', '.join(MEMBERS)}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="shoal-kill-") as directory,
        machine(Path(directory), "--members", ",".join(MEMBERS), "--member-restart", "1") as it,
    ):
        for version in range(1, arguments.rounds + 1):
            times.append(one_round(it, version, chance, kills))
            if version % 10 == 0:
                print(f"  {version} rounds, slowest so far {max(times):.1f} s", flush=True)
        leftovers = [line for member in MEMBERS for line in unwanted(it, member)]
        assert not leftovers, leftovers
        quiet_restart(it)
    print(
        f"rounds {arguments.rounds}; kills {dict(sorted(kills.items()))}; lost accepted deploys 0; duplicates 0; "
        f"answer to everywhere: median {statistics.median(times):.2f} s, slowest {max(times):.2f} s; "
        "a restart with nothing changed wrote nothing"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
