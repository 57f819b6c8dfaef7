"""Propagation policies at the door."""

from __future__ import annotations

import copy
from typing import Any

from shoal.domain.admission import admit


def policy(spec: dict[str, Any] | None = None, *, ns: str = "shop", labels: dict[str, str] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "p", "uid": "u1"} | ({"namespace": ns} if ns else {}) | ({"labels": labels} if labels else {})
    kind = "PropagationPolicy" if ns else "ClusterPropagationPolicy"
    body = {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}]} | (spec or {})
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": body}


def placement(**fields: Any) -> dict[str, Any]:
    return {"placement": fields}


def refusals(manifest: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    before = copy.deepcopy(manifest)
    answer, violations = admit(manifest, old)
    assert manifest == before  # What came in is not changed.
    assert not violations or answer is manifest
    return [f"{violation.path}: {violation.message}" for violation in violations]
