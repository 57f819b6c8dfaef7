"""Karmada's `apps.karmada.io/v1alpha1`: the order to place some workloads again from zero."""

from __future__ import annotations

from shoal.api.meta import ObjectMeta, Ref, Strict, Struct, group_of

GROUP = "apps.karmada.io"
SUCCESSFUL, FAILED = "Successful", "Failed"
NOT_FOUND = "ReferencedBindingNotFound"


class ObjectReference(Strict, frozen=True, kw_only=True):
    """One workload; without a namespace it is cluster-scoped."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(group_of(self.api_version), self.kind, self.namespace, self.name)


class WorkloadRebalancerSpec(Strict, frozen=True, kw_only=True):
    workloads: tuple[ObjectReference, ...] = ()
    ttl_seconds_after_finished: int | None = None
    """The object is deleted so long after all workloads were dealt with; None: it stays."""


class ObservedWorkload(Struct, frozen=True, kw_only=True):
    workload: ObjectReference
    result: str = ""
    """Successful, Failed, or empty while the scheduler has not looked at it."""
    reason: str = ""


class WorkloadRebalancerStatus(Struct, frozen=True, kw_only=True):
    observed_workloads: tuple[ObservedWorkload, ...] = ()
    observed_generation: int = 0
    finish_time: str = ""
    """RFC 3339; empty while something is not done."""


class WorkloadRebalancer(Strict, frozen=True, kw_only=True):
    """A13. Written by users; its status by the gateway; read by the scheduler."""

    api_version: str = "apps.karmada.io/v1alpha1"
    kind: str = "WorkloadRebalancer"
    metadata: ObjectMeta = ObjectMeta()
    spec: WorkloadRebalancerSpec = WorkloadRebalancerSpec()
    status: WorkloadRebalancerStatus = WorkloadRebalancerStatus()
