"""Kinds of other projects that Shoal knows without being told: one file per maker, and the table of them (I02).

Belongs here: descriptions of their fields, in terms of `reading` and `merging`, which these kinds share. Does not belong here: native kinds,
and rules that users write.
"""

from __future__ import annotations

from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.third_party import argo, flink, flux, kruise, kubeflow, kyverno, ray, spark, volcano

_MAKERS = (kruise, argo, volcano, flink, kubeflow, ray, spark, kyverno, flux)

INTERPRETERS: dict[tuple[str, str], Interpreter] = {(one.group, one.kind): one for maker in _MAKERS for one in maker.INTERPRETERS}
"""By (API group, kind); versions of a group share the rules."""
