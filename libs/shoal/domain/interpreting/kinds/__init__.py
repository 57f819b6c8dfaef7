"""One file per kind that has rules of its own, and the table of them. A new kind is a new file and a line here."""

from __future__ import annotations

from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.kinds import (
    configmap,
    cronjob,
    daemonset,
    deployment,
    horizontalpodautoscaler,
    ingress,
    job,
    namespace,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    poddisruptionbudget,
    replicaset,
    secret,
    service,
    serviceaccount,
    serviceimport,
    statefulset,
)

_KINDS = (
    deployment,
    service,
    configmap,
    secret,
    job,
    namespace,
    statefulset,
    replicaset,
    daemonset,
    cronjob,
    pod,
    ingress,
    persistentvolumeclaim,
    persistentvolume,
    poddisruptionbudget,
    horizontalpodautoscaler,
    serviceaccount,
    serviceimport,
)

INTERPRETERS: dict[tuple[str, str], Interpreter] = {(kind.INTERPRETER.group, kind.INTERPRETER.kind): kind.INTERPRETER for kind in _KINDS}
"""By (API group, kind); versions of a group share the rules."""
