"""Which template is decided first when many wait (R05, R2.6)."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.api.meta import Manifest
from shoal.api.policy import KUBE_PRIORITY_CLASS, POD_PRIORITY_CLASS, SchedulePriority

BUILT_IN: Mapping[str, int] = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""Classes that every Kubernetes has, so that nobody has to bring them to the hub."""


def priority_of(wanted: SchedulePriority | None, pod_class: str, classes: Mapping[str, int]) -> int:
    """The value of the PriorityClass that the policy names, or that the pods name (`pod_class`); 0 where there is none.

    `classes`: the hub's PriorityClass objects (`scheduling.k8s.io`), name -> value.
    """
    if wanted is None:
        return 0
    if wanted.priority_class_source == POD_PRIORITY_CLASS:
        return classes.get(pod_class, 0)
    return classes.get(wanted.priority_class_name, 0) if wanted.priority_class_source == KUBE_PRIORITY_CLASS else 0


def pod_class_of(template: Manifest) -> str:
    """The PriorityClass that the template's pods name; empty: none."""
    return str((((template.get("spec") or {}).get("template") or {}).get("spec") or {}).get("priorityClassName") or "")
