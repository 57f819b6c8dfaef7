"""The scheduler of a simulated member: every pod to the node with the most room, or a condition that says why not."""

from __future__ import annotations

from collections import Counter

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.api.quantity import milli
from shoal.kube.client.pods import Amounts, PodSpec, requests_of
from shoal.kube.simulated.nodes import admits, is_ready
from shoal.kube.simulated.world import World, condition


class Scheduler:
    """Keeps what is used on each node; built from the pods that run when a member starts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._nodes: dict[str, Manifest] = {}
        self._free: dict[str, Amounts] = {}
        self._taken: dict[Ref, tuple[str, Amounts]] = {}
        self._waiting: dict[Ref, None] = {}
        """Pods that no node takes; they are tried again when something was freed."""

    def note_node(self, ref: Ref, node: Manifest | None) -> None:
        """A node came, changed or went."""
        if node is None:
            self._nodes.pop(ref.name, None)
            self._free.pop(ref.name, None)
            return
        self._nodes[ref.name] = {"metadata": node["metadata"], "spec": node.get("spec") or {}, "status": node.get("status") or {}}
        allocatable = (node.get("status") or {}).get("allocatable") or {}
        free = {name: milli(str(value)) for name, value in allocatable.items()}
        for name, amounts in self._taken.values():
            if name == ref.name:
                _subtract(free, amounts)
        self._free[ref.name] = free
        self._try_again()

    def note_pod(self, ref: Ref, pod: Manifest | None) -> None:
        """A pod came, was bound, ended or went."""
        node = (pod.get("spec") or {}).get("nodeName") if pod is not None else None
        ended = pod is None or (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
        if node and not ended and pod is not None:
            self._take(ref, node, pod)
        elif ended:
            self._waiting.pop(ref, None)
            self._give_back(ref)

    async def reconcile(self, ref: Ref) -> None:
        """Binds one pod that has no node yet."""
        pod = self.world.read(ref)
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return
        if pod["spec"].get("schedulerName", "default-scheduler") != "default-scheduler":
            return
        wanted = requests_of(msgspec.convert(pod["spec"], PodSpec))
        fitting, refusals = self._look(pod, wanted)
        if fitting:
            self._waiting.pop(ref, None)
            node = max(fitting, key=lambda name: (self._free[name].get("pods", 0), self._free[name].get("cpu", 0), name))
            bound = condition(pod.get("status") or {}, "PodScheduled", "True", "", "", self.world.now())
            await self._write(pod, bound, node)
        else:
            self._waiting[ref] = None
            told = ", ".join(f"{count} {why}" for why, count in sorted(refusals.items()))
            message = f"0/{len(self._nodes)} nodes are available: {told or 'there are no nodes'}."
            refused = condition(pod.get("status") or {}, "PodScheduled", "False", "Unschedulable", message, self.world.now())
            await self._write(pod, refused, "")

    def _look(self, pod: Manifest, wanted: Amounts) -> tuple[list[str], Counter[str]]:
        fitting, refusals = [], Counter[str]()
        for name, node in self._nodes.items():
            why = [admits(node, pod["spec"])] if is_ready(node) else ["node(s) were not ready"]
            if why == [""]:
                why = [f"Insufficient {what}" for what, amount in wanted.items() if amount > self._free[name].get(what, 0)]
                why = ["Too many pods" if one == "Insufficient pods" else one for one in why]
                if not why:
                    fitting.append(name)
            refusals.update(why)
        return fitting, refusals

    async def _write(self, pod: Manifest, scheduled: dict[str, str], node: str) -> None:
        status = pod.get("status") or {}
        others = [one for one in status.get("conditions") or () if one["type"] != "PodScheduled"]
        changed = {**pod, "status": {**status, "conditions": [*others, {key: value for key, value in scheduled.items() if value}]}}
        if node:
            changed["spec"] = {**pod["spec"], "nodeName": node}
        await self.world.update(changed)

    def _take(self, ref: Ref, node: str, pod: Manifest) -> None:
        if ref in self._taken:
            return
        amounts = requests_of(msgspec.convert(pod["spec"], PodSpec))
        self._taken[ref] = (node, amounts)
        if node in self._free:
            _subtract(self._free[node], amounts)

    def _give_back(self, ref: Ref) -> None:
        taken = self._taken.pop(ref, None)
        if taken is None:
            return
        node, amounts = taken
        if node in self._free:
            for name, amount in amounts.items():
                self._free[node][name] = self._free[node].get(name, 0) + amount
        self._try_again()

    def _try_again(self) -> None:
        for ref in self._waiting:
            self.world.wake(SCHEDULE, ref)


SCHEDULE = ("", "Schedule")
"""Queue name of the scheduler."""


def _subtract(free: Amounts, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        free[name] = free.get(name, 0) - amount
