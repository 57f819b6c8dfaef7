"""Which template is decided first when many wait (R05)."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.api.policy import SchedulePriority

KUBE, POD = "KubePriorityClass", "PodPriorityClass"


def priority_of(wanted: SchedulePriority | None, pod_class: str, classes: Mapping[str, int]) -> int:
    """The value of the PriorityClass that the policy names, or that the pods name (`pod_class`); 0 where there is none.

    `classes`: the hub's PriorityClass objects (`scheduling.k8s.io`), name -> value.
    """
    if wanted is None:
        return 0
    if wanted.priority_class_source == POD:
        return classes.get(pod_class, 0)
    return classes.get(wanted.priority_class_name, 0) if wanted.priority_class_source == KUBE else 0
