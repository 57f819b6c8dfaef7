"""Spark (sparkoperator.k8s.io): a driver and its executors."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, number
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import Group, components, memory_bytes, needs_of_pods, pod_with

_MIN_OVERHEAD_BYTES = 384 * 1024 * 1024
"""Spark's own smallest memory overhead."""
_FAILED = ("FAILED", "SUBMISSION_FAILED")
_FIELDS = Fields(
    summed=("executionAttempts", "submissionAttempts"),
    carried=("driverInfo", "executorState", "sparkApplicationId", "submissionID"),
    latest=("lastSubmissionAttemptTime", "terminationTime"),
    finished=("completionTime",),
    worst={"applicationState": (*_FAILED, "FAILING", "INVALIDATING", "RUNNING", "SUCCEEDING", "SUSPENDED", "COMPLETED", "SUBMITTED")},
)


def replicas(manifest: Manifest) -> Replicas:
    return components(manifest, _groups(manifest))


def _groups(manifest: Manifest) -> Iterator[Group]:
    spec = at(manifest, "spec") or {}
    yield "driver", 1, _pod(spec, "driver")
    yield "executor", _executors(spec), _pod(spec, "executor")


def _executors(spec: Manifest) -> int:
    """`instances`; with dynamic allocation at least what it begins with."""
    count = number(at(spec, "executor", "instances"), 1)
    dynamic = spec.get("dynamicAllocation") or {}
    return max(count, number(dynamic.get("initialExecutors")), number(dynamic.get("minExecutors"))) if dynamic.get("enabled") else count


def _pod(spec: Manifest, role: str) -> Manifest:
    """The pod that Spark makes of a role: cores, memory with its overhead, GPUs; node constraints are written beside them."""
    part = at(spec, role) or {}
    requests: Manifest = {"cpu": part.get("coreRequest") or part.get("cores"), "memory": _memory_bytes(spec, part)}
    gpu = part.get("gpu") or {}
    if gpu.get("name"):
        requests[str(gpu["name"])] = number(gpu.get("quantity"))
    return pod_with({name: value for name, value in requests.items() if value}, part)


def _memory_bytes(spec: Manifest, part: Manifest) -> int:
    """The heap and what runs beside it: a tenth more for a JVM, four tenths for Python and R, unless the user says otherwise."""
    heap = memory_bytes(part.get("memory"))
    if not heap:
        return 0
    if part.get("memoryOverhead"):
        return heap + memory_bytes(part["memoryOverhead"])
    try:
        factor = float(spec.get("memoryOverheadFactor") or (0.1 if spec.get("type") in ("Java", "Scala") else 0.4))
    except ValueError:
        factor = 0.1
    return heap + max(int(heap * factor), _MIN_OVERHEAD_BYTES)


def healthy(live: Manifest) -> bool:
    """Any state but a failure; Spark itself retries."""
    state = at(live, "status", "applicationState", "state")
    return bool(state) and state not in _FAILED


INTERPRETERS = (
    Interpreter(
        group="sparkoperator.k8s.io",
        kind="SparkApplication",
        replicas=replicas,
        reflect=_FIELDS.reflect,
        health=healthy,
        aggregate=_FIELDS.aggregate,
        dependencies=needs_of_pods(("spec", "driver"), ("spec", "executor"), Secret=(("spec", "imagePullSecrets", "*"),)),
    ),
)
