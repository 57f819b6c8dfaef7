"""OpenKruise (apps.kruise.io): workloads that extend the native ones."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.kinds import daemonset, statefulset
from shoal.domain.interpreting.metadata import at, number, put
from shoal.domain.interpreting.pods import pod_dependencies, pod_requirements
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import needs_of_pods, pods_at
from shoal.domain.interpreting.workloads import observed, replicas, revise, rolled_out

GROUP = "apps.kruise.io"

_REVISIONS = ("updateRevision", "currentRevision", "labelSelector")
_CLONE_SET = Fields(
    summed=("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedReadyReplicas", "expectedUpdatedReplicas"),
    carried=_REVISIONS,
)
_STATEFUL_SET = Fields(
    summed=("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "updatedReadyReplicas"),
    carried=_REVISIONS,
)
_DAEMON_SET = Fields(
    summed=(
        "currentNumberScheduled",
        "desiredNumberScheduled",
        "numberAvailable",
        "numberMisscheduled",
        "numberReady",
        "numberUnavailable",
        "updatedNumberScheduled",
    ),
    carried=("daemonSetHash",),
)
_UNITED = Fields(
    summed=("replicas", "readyReplicas", "updatedReplicas", "updatedReadyReplicas", "subsetReplicas"),
    carried=("currentRevision", "updatedRevision", "labelSelector"),
)
_BROADCAST = Fields(
    summed=("active", "succeeded", "failed", "desired"),
    earliest=("startTime",),
    finished=("completionTime",),
    worst={"phase": ("failed", "paused", "running", "completed")},
    outcome=("Complete", "BroadcastJob"),
)
_SIDECARS = Fields(summed=("matchedPods", "updatedPods", "readyPods", "updatedReadyPods"), carried=("latestRevision",))
_CRON = Fields(listed=("active",), latest=("lastScheduleTime",), carried=("type",))

_SUBSETS = ("spec", "template", "*", "spec", "template", "spec")
"""A UnitedDeployment holds the template of one of four workloads."""
_CRON_PODS = tuple(("spec", "template", kind, "spec", "template", "spec") for kind in ("jobTemplate", "broadcastJobTemplate"))


def _united_replicas(manifest: Manifest) -> Replicas:
    pod = next(iter(pods_at(_SUBSETS)(manifest)), {})
    namespace = at(manifest, "metadata", "namespace") or ""
    return Replicas(count=number(at(manifest, "spec", "replicas")), requirements=pod_requirements(pod, namespace))


def _united_healthy(live: Manifest) -> bool:
    """Observed, and as many updated and ready as are wanted."""
    status, wanted = live.get("status") or {}, number(at(live, "spec", "replicas"), 1)
    return observed(live) and bool(status.get("updatedReplicas", 0) >= wanted and status.get("readyReplicas", 0) >= wanted)


def _broadcast_replicas(manifest: Manifest) -> Replicas:
    """Parallelism; a percentage of nodes is no count."""
    pod = at(manifest, "spec", "template", "spec") or {}
    namespace = at(manifest, "metadata", "namespace") or ""
    return Replicas(count=number(at(manifest, "spec", "parallelism"), 1), requirements=pod_requirements(pod, namespace))


def _broadcast_revise(manifest: Manifest, count: int) -> Manifest:
    return put(manifest, count, "spec", "parallelism")


def _broadcast_retain(desired: Manifest, live: Manifest) -> Manifest:
    """The pod labels that the member's controller added."""
    labels = at(live, "spec", "template", "metadata", "labels")
    return put(desired, labels, "spec", "template", "metadata", "labels") if labels else desired


def _broadcast_healthy(live: Manifest) -> bool:
    """Some pods run or have succeeded, and none has failed."""
    status = live.get("status") or {}
    return not status.get("failed") and bool(status.get("active") or status.get("succeeded"))


def _sidecars_healthy(live: Manifest) -> bool:
    """Observed, and every matched pod has the newest sidecars."""
    status = live.get("status") or {}
    return observed(live) and bool(status.get("updatedPods", 0) >= status.get("matchedPods", 0))


INTERPRETERS = (
    Interpreter(
        group=GROUP,
        kind="CloneSet",
        replicas=replicas,
        revise=revise,
        reflect=_CLONE_SET.reflect,
        health=rolled_out,
        aggregate=_CLONE_SET.aggregate,
        dependencies=pod_dependencies,
    ),
    Interpreter(
        group=GROUP,
        kind="StatefulSet",
        replicas=replicas,
        revise=revise,
        reflect=_STATEFUL_SET.reflect,
        health=rolled_out,
        aggregate=_STATEFUL_SET.aggregate,
        dependencies=statefulset.dependencies,
    ),
    Interpreter(
        group=GROUP,
        kind="DaemonSet",
        reflect=_DAEMON_SET.reflect,
        health=daemonset.healthy,
        aggregate=_DAEMON_SET.aggregate,
        dependencies=pod_dependencies,
    ),
    Interpreter(
        group=GROUP,
        kind="UnitedDeployment",
        replicas=_united_replicas,
        revise=revise,
        reflect=_UNITED.reflect,
        health=_united_healthy,
        aggregate=_UNITED.aggregate,
        dependencies=needs_of_pods(_SUBSETS),
        pods=pods_at(_SUBSETS),
    ),
    Interpreter(
        group=GROUP,
        kind="BroadcastJob",
        replicas=_broadcast_replicas,
        revise=_broadcast_revise,
        retain=_broadcast_retain,
        reflect=_BROADCAST.reflect,
        health=_broadcast_healthy,
        aggregate=_BROADCAST.aggregate,
        dependencies=pod_dependencies,
    ),
    Interpreter(
        group=GROUP,
        kind="SidecarSet",  # Cluster-scoped: what its containers name is in each pod's namespace, which it does not say (R9.5).
        reflect=_SIDECARS.reflect,
        health=_sidecars_healthy,
        aggregate=_SIDECARS.aggregate,
        pods=pods_at(("spec",)),
    ),
    Interpreter(
        group=GROUP,
        kind="AdvancedCronJob",
        aggregate=_CRON.aggregate,
        dependencies=needs_of_pods(*_CRON_PODS),
        pods=pods_at(*_CRON_PODS),
    ),
)
