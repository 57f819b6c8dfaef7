"""Cluster (A07, AA16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from shoal.api.cluster import Cluster, Taint
from shoal.api.meta import Manifest
from shoal.api.quantity import milli
from shoal.domain.admission.syntax import CLUSTER_NAME_MAX, dns_label, label_value, one_of, qualified_name
from shoal.domain.admission.violation import Violation


def default(cluster: Manifest, now: str = "") -> Manifest:
    """NoExecute taints get the time they were added (R10.5), RFC 3339; without `now` they keep what they have."""
    spec = cluster.get("spec") or {}
    if not now or not any(_unstamped(taint) for taint in spec.get("taints") or ()):
        return cluster
    taints = [taint | {"timeAdded": now} if _unstamped(taint) else taint for taint in spec["taints"]]
    return cluster | {"spec": spec | {"taints": taints}}


def _unstamped(taint: dict[str, Any]) -> bool:
    return taint.get("effect") == "NoExecute" and not taint.get("timeAdded")


def validate(cluster: Cluster, old: Cluster | None) -> Iterator[Violation]:
    if wrong := dns_label(cluster.metadata.name, CLUSTER_NAME_MAX):
        yield Violation("metadata.name", wrong)
    yield from one_of(cluster.spec.sync_mode, ("Push", "Pull"), "spec.syncMode")
    if old is not None and old.spec.id and cluster.spec.id != old.spec.id:
        yield Violation("spec.id", "is the identity of the physical cluster and cannot change; join another cluster under another name")
    seen: Counter[tuple[str, str]] = Counter()
    for index, taint in enumerate(cluster.spec.taints):
        yield from _check_taint(taint, f"spec.taints[{index}]", seen)
    yield from _check_models(cluster.spec.resource_models, "spec.resourceModels")


def _check_taint(taint: Taint, path: str, seen: Counter[tuple[str, str]]) -> Iterator[Violation]:
    if wrong := qualified_name(taint.key):
        yield Violation(f"{path}.key", wrong)
    if wrong := label_value(taint.value):
        yield Violation(f"{path}.value", wrong)
    yield from one_of(taint.effect, ("NoSchedule", "NoExecute"), f"{path}.effect")
    seen[taint.key, taint.effect] += 1
    if seen[taint.key, taint.effect] == 2:
        yield Violation(path, f"Duplicate value: {taint.key}:{taint.effect}; a taint is told by its key and effect")


def _check_models(models: tuple[dict[str, Any], ...], path: str) -> Iterator[Violation]:
    """Grades from 0 without a gap, the same resources in each, ranges that join: the first from 0, the last without end."""
    ranges: list[dict[str, dict[str, Any]]] = []
    for index, model in enumerate(models):
        if model.get("grade") != index:
            yield Violation(f"{path}[{index}].grade", f"grades count up from 0: write {index}")
        ranges.append({str(item.get("name")): item for item in model.get("ranges") or ()})
        if ranges[index].keys() != ranges[0].keys() or not ranges[index]:
            yield Violation(f"{path}[{index}].ranges", "every grade has a range for the same resources, at least one")
            return
    for name in ranges[0] if ranges else ():
        yield from _check_range_chain(name, [item[name] for item in ranges], path)


def _check_range_chain(name: str, chain: list[dict[str, Any]], path: str) -> Iterator[Violation]:
    try:
        bounds = [(milli(str(item.get("min", "0"))), milli(str(item["max"])) if item.get("max") is not None else None) for item in chain]
    except ValueError as error:
        yield Violation(path, f"range of {name}: {error}")
        return
    if bounds[0][0] != 0:
        yield Violation(f"{path}[0].ranges", f"the lowest range of {name} begins at 0")
    for index, (low, high) in enumerate(bounds[:-1]):
        if high is None or high <= low:
            yield Violation(f"{path}[{index}].ranges", f"the range of {name} ends above its beginning")
        elif high != bounds[index + 1][0]:
            yield Violation(f"{path}[{index + 1}].ranges", f"the range of {name} begins where that of grade {index} ends")
    largest = 2**63 - 1
    if bounds[-1][1] is not None and bounds[-1][1] < largest * 1000:
        yield Violation(f"{path}[{len(bounds) - 1}].ranges", f"the highest range of {name} has no end: write max {largest} or leave it out")
