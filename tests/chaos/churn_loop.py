"""Kills while objects come, move and go; after each round every member holds exactly what it should, and the hub forgot what was deleted.

`python tests/chaos/churn_loop.py --rounds 20 [--seed N]`. `kill_loop.py` changes the content of the same objects; this one makes, moves
(another placement) and deletes some, and kills one process in between. Namespaces come and go with them.
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shoal.cli.client import HubRefused
from support.machine import Machine, eventually, machine

MEMBERS = ("m1", "m2", "m3")
SLOTS = 6
"""Objects that may exist at a time, each in a namespace of its own parity."""
Wanted = dict[int, tuple[str, frozenset[str]]]
"""Slot -> (value, clusters)."""


def namespace_of(slot: int) -> str:
    return f"churn-{slot % 2}"


def manifests(slot: int, value: str, clusters: frozenset[str]) -> list[dict[str, Any]]:
    namespace = namespace_of(slot)
    selector = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"c{slot}"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1",
            "kind": "PropagationPolicy",
            "metadata": {"name": f"c{slot}", "namespace": namespace},
            "spec": {"resourceSelectors": [selector], "placement": {"clusterAffinity": {"clusterNames": sorted(clusters)}}},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{slot}", "namespace": namespace}, "data": {"v": value}},
    ]


def next_event(wanted: Wanted, number: int, chance: random.Random) -> tuple[dict[str, Any], Wanted]:
    """A deploy that changes about half of the slots, and what is wanted afterwards."""
    after, out, delete = dict(wanted), dict[str, dict[str, Any]](), list[str]()
    for slot in chance.sample(range(SLOTS), 3):
        if slot in after and chance.random() < 0.4:
            del after[slot]
            delete.append(f"v1/ConfigMap/{namespace_of(slot)}/c{slot}")
            continue
        clusters = frozenset(chance.sample(MEMBERS, chance.randint(1, len(MEMBERS))))
        after[slot] = (f"{number}", clusters)
        for manifest in manifests(slot, f"{number}", clusters):
            out[f"{manifest['kind']}/{manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"] = manifest
    data = {"application": "churn", "manifests": list(out.values()), "delete": delete}
    return {"id": f"churn-{number}", "source": "churn-loop", "data": data}, after


def held(it: Machine, member: str) -> dict[str, str]:
    """Name -> value of every ConfigMap of ours in a member."""
    found = {}
    for namespace in sorted({namespace_of(slot) for slot in range(SLOTS)}):
        for name, one in it.objects(member, "configmaps", namespace).items():
            if name != "kube-root-ca.crt":
                found[name] = one["data"]["v"]
    return found


def should_hold(wanted: Wanted, member: str) -> dict[str, str]:
    return {f"c{slot}": value for slot, (value, clusters) in wanted.items() if member in clusters}


def holds(it: Machine, member: str, wanted: dict[str, str]) -> bool:
    found = held(it, member)
    assert found == wanted, f"{found}, wanted {wanted}"
    return True


def send(it: Machine, event: dict[str, Any]) -> dict[str, Any]:
    """What is still being deleted may not be deployed yet: the sender is told so, and comes again."""

    def answered() -> dict[str, Any]:
        answer = it.deploy(event)
        return {} if answer.get("reason") == "BeingDeleted" else answer

    found: dict[str, Any] = eventually(answered, limit_s=60, what=f"an answer to {event['id']}")
    assert found.get("accepted"), found
    return found


def gone(it: Machine, namespace: str, name: str) -> bool:
    try:
        it.hub.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except HubRefused as error:
        return error.status == 404
    return False


def one_round(it: Machine, wanted: Wanted, number: int, chance: random.Random) -> tuple[Wanted, float]:
    event, after = next_event(wanted, number, chance)
    victims = {name: pid for name, pid in it.processes().items() if name != "supervisor"}
    name = chance.choice(sorted(victims))

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victims[name], signal.SIGKILL)

    timer = threading.Timer(chance.uniform(0.0, 0.4), kill)
    timer.start()
    send(it, event)
    timer.join()
    started = time.monotonic()
    what = f"round {number} after {name} was killed"
    try:
        for member in MEMBERS:
            eventually(lambda m=member: holds(it, m, should_hold(after, m)), limit_s=60, what=f"{what}: {member}")
        for slot in wanted.keys() - after.keys():
            eventually(lambda s=slot: gone(it, namespace_of(s), f"c{s}"), limit_s=60, what=f"{what}: c{slot} is gone in the hub")
    except Exception:
        print(it.tails(40))
        raise
    return after, time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    chance, times = random.Random(arguments.seed), list[float]()
    print(f"seed {arguments.seed}, {arguments.rounds} rounds, members {', '.join(MEMBERS)}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="shoal-churn-") as directory,
        machine(Path(directory), "--members", ",".join(MEMBERS), "--member-restart", "1") as it,
    ):
        wanted: Wanted = {}
        for number in range(1, arguments.rounds + 1):
            wanted, took = one_round(it, wanted, number, chance)
            times.append(took)
        problems = eventually(lambda: it.hub.get("/api/status"), limit_s=30, what="a status")["problems"]
        assert not problems, problems
    print(
        f"rounds {arguments.rounds}; answer to everywhere: median {statistics.median(times):.2f} s, slowest {max(times):.2f} s; no problem left"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
