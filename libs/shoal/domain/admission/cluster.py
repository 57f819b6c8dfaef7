"""Cluster (A07, AA16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from shoal.api.cluster import Cluster, ResourceModel, ResourceRange, Taint
from shoal.api.meta import Manifest
from shoal.api.quantity import milli
from shoal.domain.admission.syntax import CLUSTER_NAME_MAX, dns_label, label_value, one_of, qualified_name
from shoal.domain.admission.violation import Violation

GRADES_MAX = 64
"""Of one Cluster: every node is compared with each of them, and their counts travel with the cluster's status. Karmada's default has nine."""
_ENDLESS = 2**63 - 1
"""How Karmada writes that a range has no end."""
_DEFAULT_BOUNDS = (
    ("0", "0"), ("1", "4Gi"), ("2", "16Gi"), ("4", "32Gi"), ("8", "64Gi"), ("16", "128Gi"), ("32", "256Gi"), ("64", "512Gi"), ("128", "1Ti"),
)  # fmt: skip
"""Lower bounds of cpu and memory in the nine grades that Karmada gives a Cluster that names none (L11)."""


def default(cluster: Manifest, now: str = "") -> Manifest:
    """NoExecute taints get the time they were added (R10.5), RFC 3339; without `now` they keep what they have."""
    spec = cluster.get("spec") or {}
    if not now or not any(_unstamped(taint) for taint in spec.get("taints") or ()):
        return cluster
    taints = [taint | {"timeAdded": now} if _unstamped(taint) else taint for taint in spec["taints"]]
    return cluster | {"spec": spec | {"taints": taints}}


def with_default_models(cluster: Manifest) -> Manifest:
    """A Cluster that names no resource models gets Karmada's nine (L11); one whose spec is no map stays as it is."""
    spec = cluster.get("spec") or {}
    if not isinstance(spec, dict) or spec.get("resourceModels"):
        return cluster
    return cluster | {"spec": spec | {"resourceModels": _default_models()}}


def _default_models() -> list[dict[str, Any]]:
    bounds = [*_DEFAULT_BOUNDS, (str(_ENDLESS), str(_ENDLESS))]
    return [
        {"grade": grade, "ranges": [{"name": "cpu", "min": low[0], "max": high[0]}, {"name": "memory", "min": low[1], "max": high[1]}]}
        for grade, (low, high) in enumerate(pairwise(bounds))
    ]


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


def _check_models(models: tuple[ResourceModel, ...], path: str) -> Iterator[Violation]:
    """Grades that ascend, the same resources in each, ranges that join: the first from 0, the last without end."""
    if len(models) > GRADES_MAX:
        yield Violation(path, f"has {len(models)} grades; write at most {GRADES_MAX}")
        return
    names = {item.name for item in models[0].ranges} if models else set()
    for index, model in enumerate(models):
        least = models[index - 1].grade + 1 if index else 0
        if model.grade < least:
            yield Violation(f"{path}[{index}].grade", f"grades ascend: write at least {least}")
        if not names or sorted(item.name for item in model.ranges) != sorted(names):
            yield Violation(f"{path}[{index}].ranges", "every grade has one range for each of the same resources, at least one")
            return
    for name in sorted(names):
        yield from _check_range_chain(name, [next(item for item in model.ranges if item.name == name) for model in models], path)


def _check_range_chain(name: str, chain: list[ResourceRange], path: str) -> Iterator[Violation]:
    try:
        bounds = [(milli(str(item.min)), None if item.max is None else milli(str(item.max))) for item in chain]
    except ValueError as error:
        yield Violation(path, f"range of {name}: {error}")
        return
    if bounds[0][0] != 0:
        yield Violation(f"{path}[0].ranges", f"the lowest range of {name} begins at 0")
    for index, (low, high) in enumerate(bounds[:-1]):
        if high is None or high <= low:
            yield Violation(f"{path}[{index}].ranges", f"the range of {name} ends above its beginning")
        elif high != bounds[index + 1][0]:
            yield Violation(f"{path}[{index + 1}].ranges", f"the range of {name} begins where the one before it ends")
    if bounds[-1][1] is not None and bounds[-1][1] < _ENDLESS * 1000:
        yield Violation(
            f"{path}[{len(bounds) - 1}].ranges", f"the highest range of {name} has no end: write max {_ENDLESS} or leave it out"
        )
