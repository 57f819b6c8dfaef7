"""Our own kinds (`shoal.dev/v1alpha1`): what Karmada's kinds cannot say, so that Karmada's YAML stays pure. And the names of our marks."""

from __future__ import annotations

from shoal.api.meta import ObjectMeta, Strict
from shoal.api.policy import ResourceSelector

GROUP = "shoal.dev"

# Marks on a member's copy. They are those of the last change of content, and no part of content themselves.
CHANGE_ANNOTATION = "shoal.dev/change"
"""Change id (ULID) of the change that made this content."""
EPOCH_ANNOTATION = "shoal.dev/epoch"
"""Epoch of the (binding, cluster) assignment; an agent never acts for a lower one."""
UID_ANNOTATION = "resourcetemplate.karmada.io/uid"
"""UID of the template in the hub (H06)."""
GENERATION_ANNOTATION = "resourcetemplate.karmada.io/generation"
"""Generation of the template this copy was rendered from; status aggregation compares it (R8.3)."""
MANAGED_LABEL = "karmada.io/managed"
"""`"true"` on every copy that Shoal owns (H05)."""
CREATED_NAMESPACE_ANNOTATION = "shoal.dev/created-by-agent"
"""On a member's Namespace: the agent made it and may therefore delete it when it is empty of foreign objects."""
DIGEST_ANNOTATION = "shoal.dev/digest"
"""Digest of the content that was applied; lets a restarted agent see without a write that nothing changed."""
MANAGED_LABELS_ANNOTATION = "resourcetemplate.karmada.io/managed-labels"
MANAGED_ANNOTATIONS_ANNOTATION = "resourcetemplate.karmada.io/managed-annotations"
CONFLICT_ANNOTATION = "work.karmada.io/conflict-resolution"
"""`overwrite` or `abort`; on a template it beats the policy (R6.7)."""
FIELD_MANAGER = "shoal-agent"

# Marks on objects of the hub.
MADE_FOR_LABEL = "shoal.dev/made-for"
"""On what the gateway makes: the kind of the object that it belongs to. What a user made under the same name is left alone."""

# What users may write on templates in the hub.
APPLICATION_LABEL = "shoal.dev/application"
FOLLOW_ANNOTATION = "shoal.dev/follow"
"""On a Service: `selected-workloads` makes it follow the workloads whose pods its selector matches."""
SKIP_NAMESPACE_LABEL = "namespace.karmada.io/skip-auto-propagation"
"""`"true"` on a Namespace: it is not propagated to every cluster (W02)."""
DELETION_PROTECTED_LABEL = "resourcetemplate.karmada.io/deletion-protected"
"""`Always`: the hub refuses to delete the template (W04)."""


class FailoverPolicySpec(Strict, frozen=True, kw_only=True):
    resource_selectors: tuple[ResourceSelector, ...] = ()
    """Which templates it speaks for; none = all (of its namespace, when it has one)."""
    prefer: tuple[str, ...] = ("SameRegion", "SameProvider", "Any")
    """Tiers of replacement clusters, seen from the lost one, in order; what is in no tier is not used. The placement always limits."""
    purge_mode: str = "Gracefully"
    """As Karmada's `failover.cluster.purgeMode` (N05)."""


class FailoverPolicy(Strict, frozen=True, kw_only=True):
    """What happens to workloads of a lost cluster. Written by users, read by the scheduler.

    `failover.cluster` in the owning policy wins on `purgeMode`.
    """

    api_version: str = "shoal.dev/v1alpha1"
    kind: str = "FailoverPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: FailoverPolicySpec = FailoverPolicySpec()
