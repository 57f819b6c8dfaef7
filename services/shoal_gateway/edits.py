"""What users may say on a ResourceBinding, which nobody stores as they see it: an overlay in the `object` family that the scheduler reads.

Pure. `spec.suspension.scheduling` (B24) and `spec.gracefulEvictionTasks` are theirs; everything else of a binding follows from the template
and its policy, and a change of it is refused with the place where it has to be said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Ref
from shoal.api.policy import DIRECTLY, GRACEFULLY, NEVER
from shoal.kube.apiserver.errors import Cause
from shoal_gateway.kinds import BINDING_KINDS, WORK_GROUP

POSITION = "position"
"""On a stored task: where STATE stood when the user asked. A cluster that was assigned after it is not meant."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TASK_FIELDS = frozenset(
    (
        "fromCluster", "replicas", "reason", "message", "producer", "gracePeriodSeconds", "suppressDeletion", "purgeMode",
        "creationTimestamp", "preservedLabelState", "clustersBeforeFailover",
    )
)  # fmt: skip
_PURGE_MODES = (DIRECTLY, GRACEFULLY, NEVER, "Immediately", "Graciously")
"""The last two are the older names of the first two."""
_ELSEWHERE = (
    "is written by Shoal itself: of a binding only spec.suspension.scheduling and spec.gracefulEvictionTasks may be edited; "
    "change the template or its policy instead"
)


def is_binding(ref: Ref) -> bool:
    return ref.group == WORK_GROUP and ref.kind in BINDING_KINDS


def refusals(shown: Manifest, new: Manifest) -> Iterator[Cause]:
    """What of an edit is not the user's to say, and what of his own part makes no sense."""
    before, after = shown["spec"], new.get("spec") or {}
    if not isinstance(after, dict):
        yield Cause("spec", "FieldValueTypeInvalid", "has to be an object")
        return
    for field in sorted({*before, *after} - {"suspension", "gracefulEvictionTasks"}):
        if before.get(field) != after.get(field):
            yield Cause(f"spec.{field}", "FieldValueForbidden", _ELSEWHERE)
    yield from _suspension(before.get("suspension") or {}, after.get("suspension") or {})
    yield from _tasks(before.get("gracefulEvictionTasks") or [], after.get("gracefulEvictionTasks") or [])
    for field in ("labels", "annotations"):
        if _user_part(shown, field) != _user_part(new, field):
            yield Cause(f"metadata.{field}", "FieldValueForbidden", _ELSEWHERE)


def _suspension(before: dict[str, Any], after: Any) -> Iterator[Cause]:
    if not isinstance(after, dict) or not isinstance(after.get("scheduling", False), bool):
        yield Cause("spec.suspension.scheduling", "FieldValueTypeInvalid", "has to be true or false")
        return
    for field in sorted({*before, *after} - {"scheduling"}):
        if before.get(field) != after.get(field):
            yield Cause(f"spec.suspension.{field}", "FieldValueForbidden", "is set by the policy: change spec.suspension there")


def _tasks(before: list[Any], after: Any) -> Iterator[Cause]:
    if not isinstance(after, list):
        yield Cause("spec.gracefulEvictionTasks", "FieldValueTypeInvalid", "has to be a list")
        return
    names = set[str]()
    for index, task in enumerate(after):
        path = f"spec.gracefulEvictionTasks[{index}]"
        if not isinstance(task, dict) or not isinstance(task.get("fromCluster"), str) or not task["fromCluster"]:
            yield Cause(f"{path}.fromCluster", "FieldValueRequired", "Required value: the cluster that the workload is to leave")
            continue
        if task["fromCluster"] in names:
            yield Cause(f"{path}.fromCluster", "FieldValueDuplicate", f"Duplicate value: {task['fromCluster']} is listed before")
        names.add(task["fromCluster"])
        if unknown := sorted(task.keys() - _TASK_FIELDS):
            yield Cause(f"{path}.{unknown[0]}", "FieldValueForbidden", "is no field of an eviction task")
        if not isinstance(task.get("suppressDeletion", False), bool):
            yield Cause(f"{path}.suppressDeletion", "FieldValueTypeInvalid", "has to be true (keep the copy) or false (let it go now)")
        grace = task.get("gracePeriodSeconds", 0)
        if not isinstance(grace, int) or isinstance(grace, bool) or grace < 0:
            yield Cause(f"{path}.gracePeriodSeconds", "FieldValueInvalid", "has to be a whole number of seconds, 0 or more")
        if task.get("purgeMode", _PURGE_MODES[0]) not in _PURGE_MODES:
            yield Cause(f"{path}.purgeMode", "FieldValueNotSupported", "Unsupported value: write one of Directly, Gracefully, Never")


def _user_part(manifest: Manifest, field: str) -> dict[str, Any]:
    """Without what kubectl notes for itself."""
    return {key: value for key, value in (manifest["metadata"].get(field) or {}).items() if key != _LAST_APPLIED}


def overlay(shown: Manifest, new: Manifest, before: Manifest | None, *, position: int) -> Manifest:
    """What is stored of an accepted edit. `shown` is the binding as the user saw it, `before` what was stored so far."""
    spec: dict[str, Any] = {"resource": shown["spec"]["resource"]}
    if (new["spec"].get("suspension") or {}).get("scheduling"):
        spec["suspension"] = {"scheduling": True}
    had = {task["fromCluster"]: task for task in ((before or {}).get("spec") or {}).get("gracefulEvictionTasks", ())}
    seen = {task["fromCluster"]: task for task in shown["spec"].get("gracefulEvictionTasks") or ()}
    wanted = {task["fromCluster"]: task for task in new["spec"].get("gracefulEvictionTasks") or ()}
    tasks = []
    for name, task in sorted(wanted.items()):
        if task != seen.get(name):
            tasks.append({**task, POSITION: position})
        elif name in had:
            tasks.append(had[name])
    # A task that is taken away is finished (R13.3): the copy goes now, if it is on its way out.
    tasks += [{"fromCluster": name, "suppressDeletion": False, POSITION: position} for name in sorted(seen.keys() - wanted.keys())]
    if tasks:
        spec["gracefulEvictionTasks"] = tasks
    metadata = {key: shown["metadata"][key] for key in ("name", "namespace", "uid") if key in shown["metadata"]}
    return {"apiVersion": shown["apiVersion"], "kind": shown["kind"], "metadata": metadata, "spec": spec}


def says_nothing(stored: Manifest) -> bool:
    return not stored["spec"].keys() - {"resource"}


def over(shown: Manifest, stored: Manifest, binding: Binding) -> Manifest:
    """The binding with what users said on it, as far as it is not over."""
    spec = dict(shown["spec"])
    said = stored["spec"]
    if (said.get("suspension") or {}).get("scheduling"):
        spec["suspension"] = {**(spec.get("suspension") or {}), "scheduling": True}
    tasks = {task["fromCluster"]: task for task in spec.get("gracefulEvictionTasks") or ()}
    for task in said.get("gracefulEvictionTasks") or ():
        name = task["fromCluster"]
        target = binding.target(name)
        if name in tasks or (target is not None and target.epoch < task[POSITION] and task.get("suppressDeletion") is not False):
            tasks[name] = {**tasks.get(name, {}), **{key: value for key, value in task.items() if key != POSITION}}
    if tasks:
        spec["gracefulEvictionTasks"] = [tasks[name] for name in sorted(tasks)]
    return {**shown, "spec": spec}
