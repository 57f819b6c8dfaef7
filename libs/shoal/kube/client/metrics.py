"""What the pods of workloads use, from a member's API and its metrics server (`metrics.k8s.io`), in the way of HPA (R15.6)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from shoal.api.errors import DependencyMissing, ShoalError, Terminal
from shoal.api.meta import Ref
from shoal.api.pod_usage import Amounts, PodUsage, TargetUsage
from shoal.api.quantity import milli
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.pods import PodSpec

POD, POD_METRICS = Kind("", "Pod"), Kind("metrics.k8s.io", "PodMetrics")
AT_ONCE = 8
"""Workloads that are read at the same time, with three requests each: a small member takes about 200 a second."""
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    deletion_timestamp: str | None = None


class _Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    status: str = ""
    last_transition_time: datetime | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    start_time: datetime | None = None
    conditions: tuple[_Condition, ...] = ()


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: PodSpec = PodSpec()
    status: _Status = _Status()


class _Container(msgspec.Struct, frozen=True):
    name: str = ""
    usage: dict[str, str | int | float] = {}


class _PodMetrics(msgspec.Struct, frozen=True):
    metadata: _Meta
    timestamp: datetime | None = None
    window: str = ""
    containers: tuple[_Container, ...] = ()


async def usages(api: Api, refs: Iterable[Ref], resources: Iterable[str]) -> tuple[TargetUsage, ...]:
    """Of each workload the pods that its scale selects, with their requests and usage of these resources.

    A workload that is not there, or a metrics server that is not, is told in the answer. Raises `MemberUnavailable` when the API does not answer.
    """
    wanted, gate = frozenset(resources), asyncio.Semaphore(AT_ONCE)

    async def one(ref: Ref) -> TargetUsage:
        async with gate:
            return await _usage_of(api, ref, wanted)

    return tuple(await asyncio.gather(*(one(ref) for ref in refs)))


async def _usage_of(api: Api, ref: Ref, resources: frozenset[str]) -> TargetUsage:
    try:
        scale = await api.get(ref, subresource="scale")
    except (DependencyMissing, Terminal) as error:
        return TargetUsage(ref=ref, reason=str(error))
    if scale is None:
        return TargetUsage(ref=ref)  # Not made yet, or gone by now: it has no pods.
    selector = str((scale.get("status") or {}).get("selector") or "")
    if not selector:
        return TargetUsage(ref=ref, reason=f"the scale of {ref} in {api.name} names no selector of its pods")
    metrics, missing = await _metrics(api, ref.namespace, selector)
    pods: list[PodUsage] = []
    async for page, _ in api.pages(POD, ref.namespace, as_=_Pod, label_selector=selector):
        pods += [_told(pod, metrics.get(pod.metadata.name), resources) for pod in page]
    return TargetUsage(ref=ref, pods=tuple(sorted(pods, key=lambda pod: pod.name)), missing=missing)


async def _metrics(api: Api, namespace: str, selector: str) -> tuple[dict[str, _PodMetrics], str]:
    """(by pod, why there are none)."""
    if (await api.kinds()).find(*POD_METRICS) is None:
        return {}, f"{api.name} has no metrics server: it does not serve metrics.k8s.io"
    found: dict[str, _PodMetrics] = {}
    try:
        async for page, _ in api.pages(POD_METRICS, namespace, as_=_PodMetrics, label_selector=selector):
            found |= {one.metadata.name: one for one in page}
    except ShoalError as error:
        return {}, f"the metrics server of {api.name} does not answer: {error}"
    return found, ""


def _told(pod: _Pod, metrics: _PodMetrics | None, resources: frozenset[str]) -> PodUsage:
    ready = next((one for one in pod.status.conditions if one.type == "Ready"), None)
    sidecars = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    return PodUsage(
        name=pod.metadata.name,
        phase=pod.status.phase,
        deleting=pod.metadata.deletion_timestamp is not None,
        started_at=pod.status.start_time,
        ready=None if ready is None else ready.status == "True",
        ready_since=ready.last_transition_time if ready is not None else None,
        sampled_at=metrics.timestamp if metrics is not None else None,
        window_s=seconds_of(metrics.window) if metrics is not None else 0.0,
        requests={one.name: _only(one.resources.amounts(), resources) for one in (*pod.spec.containers, *sidecars)},
        whole=_only(pod.spec.resources.amounts(), resources),
        usage={one.name: _only(_amounts(one.usage), resources) for one in metrics.containers} if metrics is not None else None,
    )


def _amounts(usage: dict[str, str | int | float]) -> Amounts:
    return {name: milli(str(value)) for name, value in usage.items()}


def _only(amounts: Amounts, resources: frozenset[str]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if name in resources}


def seconds_of(duration: str) -> float:
    """Of a duration as Go writes it (`15s`, `1m30.5s`); 0 for what is none."""
    parts = _PART.findall(duration)
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts) if "".join(map("".join, parts)) == duration else 0.0
