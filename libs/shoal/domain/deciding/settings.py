"""What a binding takes over from the template, its policy and its owners (R2.3, R2.6, R2.7, R9.3), before anything is placed.

Cluster-scoped bindings take over the same, each time. Karmada forgets propagateDeps, schedulePriority and the groups of those when their
policy changes (R2.9), which helps nobody.
"""

from __future__ import annotations

import msgspec

from shoal.api.binding import Binding, Claim
from shoal.api.meta import Manifest
from shoal.api.options import options_of
from shoal.api.policy import AffinityGroup, PropagationPolicy
from shoal.domain.deciding.inputs import Inputs, Owner
from shoal.domain.deciding.priority import pod_class_of, priority_of
from shoal.domain.matching import Owned

OVERWRITE = "Overwrite"


def from_policy(inputs: Inputs, template: Manifest, policy: Owned[PropagationPolicy], claim: Claim | None) -> Binding:
    """The policy's present spec and the template's present content."""
    spec = policy.object.spec
    wanted, priority = spec.placement.workload_affinity, spec.schedule_priority
    return msgspec.structs.replace(
        from_template(inputs),
        claim=claim,
        placement=spec.placement,
        options=options_of(policy.object.metadata.annotations),
        propagate_deps=spec.propagate_deps or spec.association,
        conflict_resolution=spec.conflict_resolution,
        preserve_resources_on_deletion=spec.preserve_resources_on_deletion,
        suspension=spec.suspension,
        failover=spec.failover,
        schedule_priority=priority_of(priority, pod_class_of(template), inputs.priority_classes) if priority is not None else None,
        affinity_group=_group(wanted.affinity if wanted else None, template),
        anti_affinity_group=_group(wanted.anti_affinity if wanted else None, template),
    )


def from_template(inputs: Inputs) -> Binding:
    """A binding that nobody has said anything about yet."""
    return Binding(
        template_uid=inputs.template_uid,
        template_revision=inputs.template_revision,
        replicas=inputs.replicas,
        replica_requirements=inputs.requirements,
        components=inputs.components,
    )


def from_owners(inputs: Inputs, owners: tuple[Owner, ...], previous: Binding | None) -> Binding:
    """A dependency without a policy of its own: Overwrite and preserve if any owner says so (R9.3).

    Without owners the settings are cleared; `preserve` was noted in the removals of the clusters that are being left.
    """
    return msgspec.structs.replace(
        from_template(inputs),
        conflict_resolution=OVERWRITE if any(owner.binding.conflict_resolution == OVERWRITE for owner in owners) else "Abort",
        preserve_resources_on_deletion=any(owner.binding.preserve_resources_on_deletion for owner in owners),
        placement=previous.placement if previous else Binding(template_uid="", template_revision=0).placement,
    )


def followed(owners: tuple[Owner, ...]) -> str:
    """What the condition of a dependency says; where its owners' policies differ, which word won (R9.3)."""
    differences = []
    if len({owner.binding.conflict_resolution for owner in owners}) > 1:
        differences.append(f"conflictResolution ({OVERWRITE} is used)")
    if len({owner.binding.preserve_resources_on_deletion for owner in owners}) > 1:
        differences.append("preserveResourcesOnDeletion (true is used)")
    told = f" DependencyPolicyConflict: their policies differ in {' and '.join(differences)}." if differences else ""
    return f"Binding follows the workloads that need it.{told}"


def _group(wanted: AffinityGroup | None, template: Manifest) -> str:
    """`<key>=<value of the template's label>`; in no group without the label (R2.7)."""
    if wanted is None:
        return ""
    value = (template["metadata"].get("labels") or {}).get(wanted.group_by_label_key)
    return f"{wanted.group_by_label_key}={value}" if value is not None else ""
