"""FederatedResourceQuota (A05, AA17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.quantity import milli
from shoal.api.quota import FederatedResourceQuota
from shoal.domain.admission.syntax import check_cluster_name, qualified_name
from shoal.domain.admission.violation import Violation

_NAME_MAX = 63
_COUNTED = ("pods", "count/", "replicationcontrollers", "resourcequotas", "services", "secrets", "configmaps", "persistentvolumeclaims")
"""Resources that are numbers of objects; half of one is none."""


def default(quota: Manifest) -> Manifest:
    return quota


def validate(quota: FederatedResourceQuota, old: FederatedResourceQuota | None) -> Iterator[Violation]:
    spec = quota.spec
    if len(quota.metadata.name) > _NAME_MAX:
        yield Violation("metadata.name", f"must be no more than {_NAME_MAX} characters: it becomes a label value")
    if not spec.overall:
        yield Violation("spec.overall", "Required value: what the namespace may use in all clusters together, such as requests.cpu")
    wrong = list(_check_resources(spec.overall, "spec.overall"))
    for index, assignment in enumerate(spec.static_assignments):
        path = f"spec.staticAssignments[{index}]"
        wrong += check_cluster_name(assignment.cluster_name, f"{path}.clusterName")
        wrong += _check_resources(assignment.hard, f"{path}.hard")
        if any(assignment.cluster_name == other.cluster_name for other in spec.static_assignments[:index]):
            wrong.append(Violation(f"{path}.clusterName", f"Duplicate value: {assignment.cluster_name} has its part before"))
    yield from wrong
    if not wrong:  # Only what can be read can be added up.
        yield from _check_sums(quota)


def _check_sums(quota: FederatedResourceQuota) -> Iterator[Violation]:
    overall, assignments = quota.spec.overall, quota.spec.static_assignments
    for name, quantity in overall.items():
        assigned = sum(milli(str(one.hard.get(name, "0"))) for one in assignments)
        if milli(str(quantity)) < assigned:
            told = f"{assigned // 1000}" if assigned % 1000 == 0 else f"{assigned}m"
            yield Violation(f"spec.overall[{name}]", f"overall is less than assignments: write at least {told}, or lower the assignments")
    for index, one in enumerate(assignments):
        for name in one.hard:
            if name not in overall:
                path = f"spec.staticAssignments[{index}].hard[{name}]"
                yield Violation(path, f"assignment resourceName is not exist in overall: add {name} to spec.overall or leave it out")


def _check_resources(resources: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for name, quantity in resources.items():
        where = f"{path}[{name}]"
        if wrong := qualified_name(name):
            yield Violation(where, f"name of a resource: {wrong}")
        try:
            amount = milli(str(quantity)) if isinstance(quantity, str | int) and not isinstance(quantity, bool) else None
        except ValueError as error:
            yield Violation(where, str(error))
            continue
        if amount is None:
            yield Violation(where, 'has to be a quantity, such as "500m" or 8Gi')
        elif amount < 0:
            yield Violation(where, "must be greater than or equal to 0")
        elif name.startswith(_COUNTED) and amount % 1000:
            yield Violation(where, "must be an integer: it counts objects")
