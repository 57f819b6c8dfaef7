"""Karmada's `remedy.karmada.io/v1alpha1`: what is to be done about a cluster while its conditions say so."""

from __future__ import annotations

from shoal.api.meta import ObjectMeta, Strict

GROUP = "remedy.karmada.io"
KIND = "Remedy"
ACTIONS = ("TrafficControl",)
"""What a remedy may ask for. Shoal tells it in the Cluster's status; whoever steers traffic acts upon it."""


class RemedyAffinity(Strict, frozen=True, kw_only=True):
    cluster_names: tuple[str, ...] = ()


class ClusterConditionMatch(Strict, frozen=True, kw_only=True):
    condition_type: str
    operator: str
    """Equal or NotEqual."""
    condition_status: str
    """True, False or Unknown."""


class DecisionMatch(Strict, frozen=True, kw_only=True):
    cluster_condition_match: ClusterConditionMatch | None = None


class RemedySpec(Strict, frozen=True, kw_only=True):
    cluster_affinity: RemedyAffinity | None = None
    """None: every cluster."""
    decision_matches: tuple[DecisionMatch, ...] | None = None
    """One of them has to hold; None: always."""
    actions: tuple[str, ...] = ()


class Remedy(Strict, frozen=True, kw_only=True):
    """A19. Written by users."""

    api_version: str = "remedy.karmada.io/v1alpha1"
    kind: str = KIND
    metadata: ObjectMeta = ObjectMeta()
    spec: RemedySpec = RemedySpec()
