"""Jobs: pods until enough have succeeded or too many have failed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.lifecycle import suffix
from shoal.kube.simulated.replicas import dispensable, pod_of
from shoal.kube.simulated.world import JOB, World, condition, find_condition

BACKOFF_LIMIT = 6


async def reconcile(world: World, ref: Ref) -> None:
    job = world.read(ref)
    if job is None or job["metadata"].get("deletionTimestamp"):
        return
    if _finished(job):
        await _expire(world, ref, job)
        return
    pods = world.pods_of(job["metadata"]["uid"])
    succeeded = sum(state.phase == "Succeeded" for state in pods.values())
    failed = sum(state.phase == "Failed" for state in pods.values())
    outcome = _outcome(world, ref, job, succeeded, failed)
    active = {pod: state for pod, state in pods.items() if state.active}
    wanted = 0 if outcome or job["spec"].get("suspend") else _wanted(job, succeeded)
    for pod in dispensable(active)[: max(0, len(active) - wanted)]:
        await world.delete(pod)
    for _ in range(wanted - len(active)):
        uid = world.new_uid()
        await world.create(pod_of(job, job["spec"]["template"], f"{ref.name}-{suffix(uid)}", uid=uid))
    await _tell(world, ref, succeeded, failed, outcome)


def _wanted(job: Manifest, succeeded: int) -> int:
    """How many pods should run now."""
    parallel, completions = int(job["spec"].get("parallelism", 1)), job["spec"].get("completions")
    if completions is None:
        # A work queue: the first pod that succeeds says that there is nothing left to start.
        return 0 if succeeded else parallel
    return max(0, min(parallel, int(completions) - succeeded))


def _outcome(world: World, ref: Ref, job: Manifest, succeeded: int, failed: int) -> tuple[str, str, str] | None:
    """(Complete or Failed, reason, message) once it is decided."""
    spec, completions = job["spec"], job["spec"].get("completions")
    active = any(state.active for state in world.pods_of(job["metadata"]["uid"]).values())
    if (completions is not None and succeeded >= int(completions)) or (completions is None and succeeded and not active):
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    if failed > int(spec.get("backoffLimit", BACKOFF_LIMIT)):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    started, deadline_s = (job.get("status") or {}).get("startTime"), spec.get("activeDeadlineSeconds")
    if started and deadline_s:
        left_s = float(deadline_s) - (world.clock.now() - datetime.fromisoformat(started)).total_seconds()
        if left_s <= 0:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        world.later(left_s, JOB, ref)
    return None


async def _tell(world: World, ref: Ref, succeeded: int, failed: int, outcome: tuple[str, str, str] | None) -> None:
    job = world.read(ref)
    if job is None:
        return
    before, now = job.get("status") or {}, world.now()
    active = [state for state in world.pods_of(job["metadata"]["uid"]).values() if state.active]
    status: dict[str, Any] = {
        "startTime": before.get("startTime") or now,
        "active": len(active),
        "ready": sum(state.ready for state in active),
        "succeeded": succeeded,
        "failed": failed,
    }
    status = {name: value for name, value in status.items() if value or name == "ready"}
    status |= {"terminating": 0, "uncountedTerminatedPods": {}}
    if job["spec"].get("suspend"):
        status.pop("startTime", None)
        status["conditions"] = [condition(before, "Suspended", "True", "JobSuspended", "Job suspended", now)]
    elif outcome:
        word, reason, message = outcome
        first = "SuccessCriteriaMet" if word == "Complete" else "FailureTarget"
        status["conditions"] = [condition(before, type_, "True", reason, message, now, lastProbeTime=now) for type_ in (first, word)]
        if word == "Complete":
            status["completionTime"] = now
        if "ttlSecondsAfterFinished" in job["spec"]:
            world.later(float(job["spec"]["ttlSecondsAfterFinished"]), JOB, ref)
    elif old := find_condition(before, "Suspended"):
        resumed = condition(before, "Suspended", "False", "JobResumed", "Job resumed", now)
        status["conditions"] = [resumed if old["status"] == "True" else old]
    await world.set_status(job, status)


async def _expire(world: World, ref: Ref, job: Manifest) -> None:
    """Removes a finished Job when its time after the end is over."""
    keep_s, ended = job["spec"].get("ttlSecondsAfterFinished"), _finished(job)
    if keep_s is None or ended is None:
        return
    left_s = float(keep_s) - (world.clock.now() - datetime.fromisoformat(ended["lastTransitionTime"])).total_seconds()
    if left_s <= 0:
        await world.delete(ref)
    else:
        world.later(left_s, JOB, ref)


def _finished(job: Manifest) -> dict[str, Any] | None:
    status = job.get("status") or {}
    found = (find_condition(status, type_) for type_ in ("Complete", "Failed"))
    return next((one for one in found if one and one["status"] == "True"), None)
