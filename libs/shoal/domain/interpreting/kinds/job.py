"""Job (batch): parallelism is divided, completions with it; finished in all when finished in every cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.api.status import CopyStatus
from shoal.api.webster import webster
from shoal.domain.interpreting.conditions import condition, holds
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, number, put, without
from shoal.domain.interpreting.pods import pod_dependencies, requirements_of
from shoal.domain.interpreting.statuses import latest, pick, present, summed

_REFLECTED = ("active", "succeeded", "failed", "conditions", "startTime", "completionTime")
_GENERATED_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


def replicas(manifest: Manifest) -> Replicas:
    """The smaller of parallelism (1 when missing) and completions (R4.21, R7.2)."""
    parallelism, completions = at(manifest, "spec", "parallelism"), at(manifest, "spec", "completions")
    count = number(parallelism, 1)
    return Replicas(count=min(count, number(completions, count)), requirements=requirements_of(manifest))


def revise(manifest: Manifest, count: int) -> Manifest:
    return put(manifest, count, "spec", "parallelism")


def split_completions(template: Manifest, clusters: Mapping[str, int], uid: str) -> dict[str, int]:
    """Completions by cluster, in proportion to the scheduled replicas, for a divided Job (R4.21); empty when the template has none."""
    completions = at(template, "spec", "completions")
    return {} if completions is None else webster(completions, clusters, uid)


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """The selector and the pod labels that the member's server generated; both are immutable there (R7.3)."""
    if selector := at(live, "spec", "selector"):
        desired = put(desired, selector, "spec", "selector")
    if labels := at(live, "spec", "template", "metadata", "labels"):
        desired = put(desired, labels, "spec", "template", "metadata", "labels")
    return desired


def reflect(live: Manifest) -> Manifest | None:
    return pick(live.get("status") or {}, _REFLECTED) or None


def healthy(live: Manifest) -> bool:
    """Not failed; Karmada has no rule and says healthy even then, which would hide a failed deploy."""
    return not holds(live.get("status") or {}, "Failed")


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    """Sums; Failed when any copy failed, Complete when all are complete; frozen after that (R8.3)."""
    before = template.get("status") or {}
    if holds(before, "Complete") or holds(before, "Failed"):
        return dict(before)
    found = present(items)
    statuses = [status for _, status in found]
    merged: Manifest = dict(summed(statuses, ("active", "succeeded", "failed")))
    if conditions := _conditions(items, found):
        merged["conditions"] = conditions
    everywhere = bool(items) and len(found) == len(items)
    if everywhere and all(status.get("startTime") for status in statuses):
        merged["startTime"] = min(status["startTime"] for status in statuses)
    if everywhere and all(_finished(status) for status in statuses) and (end := latest(statuses, "completionTime")):
        merged["completionTime"] = end
    return merged


def _finished(status: Manifest) -> bool:
    return holds(status, "Complete") or holds(status, "Failed")


def _conditions(items: Sequence[CopyStatus], found: list[tuple[CopyStatus, Manifest]]) -> list[Manifest]:
    failed = [(item.cluster, status) for item, status in found if holds(status, "Failed")]
    everywhere = bool(items) and len(found) == len(items)
    conditions: list[Manifest] = []
    if everywhere and all(holds(status, "SuccessCriteriaMet") for _, status in found):
        conditions.append(_merged("SuccessCriteriaMet", [status for _, status in found], "", ""))
    if failed:
        clusters = ", ".join(cluster for cluster, _ in failed)
        conditions.append(
            _merged("Failed", [status for _, status in failed], "JobFailed", f"Job executed failed in member clusters {clusters}")
        )
    elif everywhere and all(holds(status, "Complete") for _, status in found):
        conditions.append(_merged("Complete", [status for _, status in found], "Completed", "Job completed"))
    return conditions


def _merged(kind: str, statuses: list[Manifest], reason: str, message: str) -> Manifest:
    """A condition of the template, with the times at which the last copy reached it; these are data, no clock is read."""
    copies = [found for status in statuses if (found := condition(status, kind))]
    texts = {"reason": reason, "message": message}
    times = {field: time for field in ("lastProbeTime", "lastTransitionTime") if (time := latest(copies, field))}
    return {"type": kind, "status": "True", **{key: text for key, text in texts.items() if text}, **times}


def prune(manifest: Manifest) -> Manifest:
    """What the hub's server generated, unless the user manages the selector; and the TTL, which would delete member copies (R6.5)."""
    manifest = without(manifest, "spec", "ttlSecondsAfterFinished")
    if at(manifest, "spec", "manualSelector"):
        return manifest
    manifest = without(manifest, "spec", "selector")
    for label in _GENERATED_LABELS:
        manifest = without(manifest, "metadata", "labels", label)
        manifest = without(manifest, "spec", "template", "metadata", "labels", label)
    return manifest


INTERPRETER = Interpreter(
    group="batch",
    kind="Job",
    replicas=replicas,
    revise=revise,
    retain=retain,
    reflect=reflect,
    health=healthy,
    aggregate=aggregate,
    prune=prune,
    dependencies=pod_dependencies,
)
