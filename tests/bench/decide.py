"""How long one decision takes over a thousand clusters: the pure function, its index prepared, over many random requests.

`python tests/bench/decide.py [requests]`. Each line says median, P99 and the worst; `known` sizes were asked before, of `new` ones the room has to
be computed for every cluster first. Processor time of this thread, since others use the machine too; nothing here judges.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from shoal.api.binding import Binding
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import Placement
from shoal.api.status import LOST, READY
from shoal.domain.deciding import Inputs, decide
from shoal.domain.matching import Policies
from shoal.domain.scheduling import Request, Snapshot, schedule
from support import build

CLUSTERS = 1_000
REGIONS = 20
SIZES = tuple({"cpu": f"{cpu}m", "memory": f"{memory}Mi"} for cpu in (50, 100, 250, 500, 1000) for memory in (64, 256, 1024))

PLACEMENTS: dict[str, Placement] = {
    "duplicated, 3 clusters by spread": build.placement(division=build.DUPLICATED, spread=(build.spread("cluster", 1, 3),)),
    "duplicated, all clusters": build.placement(division=build.DUPLICATED),
    "duplicated, 3 regions, 6 clusters": build.placement(
        division=build.DUPLICATED, spread=(build.spread("region", 3, 3), build.spread("cluster", 3, 6))
    ),
    "dynamic, 3 regions, 6 clusters": build.placement(
        division=build.DYNAMIC, spread=(build.spread("region", 3, 3), build.spread("cluster", 3, 6))
    ),
    "dynamic, one label, 5 clusters": build.placement(
        labels={"env": "prod"}, division=build.DYNAMIC, spread=(build.spread("cluster", 1, 5),)
    ),
    "dynamic, all clusters": build.placement(division=build.DYNAMIC),
    "aggregated, all clusters": build.placement(division=build.AGGREGATED),
    "equal weights, all clusters": build.placement(division=build.EQUAL),
}


def clusters(dice: random.Random) -> Iterator[ClusterView]:
    for index in range(CLUSTERS):
        yield build.cluster(
            f"member-{index:04}",
            labels={"env": dice.choice(("prod", "test")), "tier": str(dice.randrange(10))},
            provider=f"p{index % 4}",
            region=f"region-{index % REGIONS:02}",
            zones=(f"zone-{index % 60:02}",),
            taints=(build.taint("maintenance"),) if dice.random() < 0.03 else (),
            state=LOST if dice.random() < 0.01 else READY,
            pods=dice.randint(50, 2_000),
            free={"cpu": str(dice.randint(4, 400)), "memory": f"{dice.randint(16, 2_000)}Gi"},
        )


def request(dice: random.Random, number: int, to: Placement, *, new: bool) -> Request:
    size = {"cpu": f"{100 + number}m", "memory": f"{dice.randint(64, 1024)}Mi"} if new else dice.choice(SIZES)
    return build.request(to, replicas=dice.randint(1, 40), requests=size, uid=f"uid-{number}")


def measure(name: str, ask: Callable[[int], Callable[[], object]], requests: int) -> None:
    """`ask` prepares request `i`; only what it returns is timed."""
    times = []
    gc.collect()
    gc.freeze()
    for number in range(requests):
        run = ask(number)
        start = time.thread_time()
        run()
        times.append((time.thread_time() - start) * 1000)
    times.sort()
    p99 = times[int(len(times) * 0.99)]
    print(f"{name:<54} median {statistics.median(times):6.3f} ms   P99 {p99:6.3f} ms   worst {times[-1]:6.3f} ms", flush=True)


def placed(asked: Request, snapshot: Snapshot) -> Binding:
    decision = schedule(asked, snapshot, None, now=build.NOW, position=1)
    return build.binding(*decision.clusters, uid=asked.uid, placement=asked.placement, replicas=asked.replicas)


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    dice = random.Random(1)
    snapshot = Snapshot(clusters(dice))
    print(f"{CLUSTERS} clusters in {REGIONS} regions, 1 to 40 replicas, {requests} requests per line, {os.cpu_count()} cores, ", end="")
    print(f"Python {sys.version.split()[0]}")
    for name, to in PLACEMENTS.items():
        for size in SIZES:  # The index is prepared.
            schedule(build.request(to, replicas=1, requests=size), snapshot, None, now=build.NOW, position=1)
        for new in (False, True):

            def first(number: int, to: Placement = to, *, new: bool = new) -> Callable[[], object]:
                asked = request(dice, number, to, new=new)
                return lambda: schedule(asked, snapshot, None, now=build.NOW, position=1)

            measure(f"{name}, {'new' if new else 'known'} sizes", first, requests // 4 if new else requests)

        def again(number: int, to: Placement = to) -> Callable[[], object]:
            asked = request(dice, number, to, new=False)
            previous = placed(asked, snapshot)
            more = msgspec.structs.replace(asked, replicas=asked.replicas + 5)
            return lambda: schedule(more, snapshot, previous, now=build.NOW, position=2)

        measure(f"{name}, 5 more replicas", again, requests // 4)

    def whole(number: int) -> Callable[[], object]:
        template = build.deployment(f"web-{number}", replicas=dice.randint(1, 40))
        inputs: Inputs = build.inputs(template, snapshot=snapshot, policies=policies)
        return lambda: decide(inputs)

    def reserved(number: int) -> Callable[[], object]:
        taken = {name: dice.randint(1, 20) for name in dice.sample(snapshot.names, 100)}
        asked = msgspec.structs.replace(request(dice, number, wanted, new=False), reserved=taken)
        return lambda: schedule(asked, snapshot, None, now=build.NOW, position=1)

    def reported(number: int) -> Callable[[], object]:
        """A cluster reports other figures; the snapshot follows, and the next decision puts right what it remembers."""
        nonlocal snapshot
        name, asked = dice.choice(snapshot.names), request(dice, number, wanted, new=False)
        changed = msgspec.structs.replace(
            snapshot.by_name[name], free={"pods": dice.randint(0, 2_000) * 1000, "cpu": 9_000, "memory": 9 * 10**12}
        )
        views = list((snapshot.by_name | {name: changed}).values())

        def run() -> object:
            nonlocal snapshot
            snapshot = snapshot.following(views)
            return schedule(asked, snapshot, None, now=build.NOW, position=1)

        return run

    wanted = PLACEMENTS["dynamic, 3 regions, 6 clusters"]
    policies = Policies(
        build.owned(build.policy(f"p-{index}", build.selector(name=f"web-{index}"), to=wanted)) for index in range(requests)
    )
    measure("dynamic, 3 regions, room reserved in 100 clusters", reserved, requests // 4)
    measure("dynamic, 3 regions, after another inventory", reported, requests // 4)
    measure("decide: match, place, explain; dynamic, 3 regions", whole, requests)


if __name__ == "__main__":
    main()
