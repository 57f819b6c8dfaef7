"""WorkloadRebalancer (`apps.karmada.io/v1alpha1`)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.apps import WorkloadRebalancer
from shoal.api.meta import Manifest
from shoal.domain.admission.violation import Violation


def default(rebalancer: Manifest) -> Manifest:
    return rebalancer


def validate(rebalancer: WorkloadRebalancer, old: WorkloadRebalancer | None) -> Iterator[Violation]:
    spec = rebalancer.spec
    if not spec.workloads:
        yield Violation("spec.workloads", "Required value: name at least one workload that is to be placed again")
    for index, workload in enumerate(spec.workloads):
        path = f"spec.workloads[{index}]"
        for field, value in (("apiVersion", workload.api_version), ("kind", workload.kind), ("name", workload.name)):
            if not value:
                yield Violation(f"{path}.{field}", "Required value: apiVersion, kind and name say which workload is meant")
        if workload in spec.workloads[:index]:
            yield Violation(path, f"Duplicate value: {workload.kind} {workload.name} is listed before")
    if spec.ttl_seconds_after_finished is not None and spec.ttl_seconds_after_finished < 0:
        yield Violation("spec.ttlSecondsAfterFinished", "has to be 0 or more seconds")
