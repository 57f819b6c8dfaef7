"""Rendering one Work, comparing two, and ending one."""

from __future__ import annotations

from collections.abc import Iterable

from shoal.api.binding import Binding, Removal, TargetCluster
from shoal.api.errors import ShoalError
from shoal.api.meta import Manifest, ref_of
from shoal.api.override import OverridePolicy
from shoal.api.policy import Suspension
from shoal.api.selecting import Located
from shoal.api.work import Work
from shoal.domain.interpreting import interpreter_of, prune, revise, split_completions
from shoal.domain.overriding import OverrideFailed, override
from shoal.domain.rendering.marks import conflict_of, marked, without_change


def render(
    template: Manifest,
    binding: Binding,
    target: TargetCluster,
    cluster: Located,
    overrides: Iterable[OverridePolicy],
    *,
    template_revision: int,
    change: str,
    binding_revision: int = 0,
) -> Work:
    """The Work of one target cluster (R5.1): scheduled replicas, Job completions, overrides, marks, pruning.

    `template` is the object at exactly the content revision that the binding names. Raises `OverrideFailed` (R5.6), also when an override
    would give the object another name, namespace or kind: the member's copy could not be found again.
    """
    scheduled = _inheriting(_scheduled(template, binding, target), target)
    manifest, applied = override(scheduled, cluster, overrides)
    if ref_of(manifest) != ref_of(template):
        raise OverrideFailed(f"the overrides of {ref_of(template)} make it {ref_of(manifest)}; name, namespace and kind must stay")
    conflict = conflict_of(template, binding.conflict_resolution)
    uid = binding.template_uid
    manifest = marked(prune(manifest), template, target.name, uid=uid, epoch=target.epoch, change=change, conflict=conflict)
    return Work(
        cluster=target.name,
        epoch=target.epoch,
        template_uid=uid,
        template_revision=template_revision,
        binding_revision=binding_revision,
        manifest=manifest,
        conflict=conflict,
        preserve=binding.preserve_resources_on_deletion,
        suspended=suspended(binding.suspension, target.name),
        overrides=applied,
    )


def _scheduled(template: Manifest, binding: Binding, target: TargetCluster) -> Manifest:
    """With the scheduled replicas in both modes (R6.3), and a divided Job's part of the completions (R4.21)."""
    if target.replicas is None:
        return template
    manifest = revise(template, target.replicas)
    division = binding.placement.replica_scheduling
    if division is None or division.replica_scheduling_type != "Divided" or interpreter_of(template).kind != "Job":
        return manifest
    parts = split_completions(template, {other.name: other.replicas or 0 for other in binding.clusters}, binding.template_uid)
    if target.name not in parts:
        return manifest
    return {**manifest, "spec": {**manifest["spec"], "completions": parts[target.name]}}


def _inheriting(manifest: Manifest, target: TargetCluster) -> Manifest:
    """With the labels that this copy was given when it took another's place (R12.4); overrides see them."""
    if not target.preserved:
        return manifest
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **target.preserved}}}


def suspended(suspension: Suspension | None, cluster: str) -> bool:
    """Dispatching is stopped everywhere or for this cluster (R6.8)."""
    if suspension is None:
        return False
    clusters = suspension.dispatching_on_clusters
    return bool(suspension.dispatching) or (clusters is not None and cluster in clusters.cluster_names)


def failed(previous: Work | None, fresh: Work, error: ShoalError) -> Work:
    """The Work of a cluster whose overrides cannot be applied (R5.6): what was rendered last stays, beside the reason.

    `fresh` names the inputs of this attempt (its manifest is not looked at); without a previous Work nothing is to be applied.
    """
    kept = previous if previous is not None and previous.manifest and previous.epoch == fresh.epoch else None
    return Work(
        cluster=fresh.cluster,
        epoch=fresh.epoch,
        template_uid=fresh.template_uid,
        template_revision=fresh.template_revision,
        binding_revision=fresh.binding_revision,
        manifest=kept.manifest if kept else {},
        conflict=fresh.conflict,
        preserve=fresh.preserve,
        suspended=fresh.suspended,
        overrides=kept.overrides if kept else (),
        error=str(error),
    )


def tombstone(binding: Binding, cluster: str, removal: Removal, *, binding_revision: int = 0) -> Work:
    """The end of a cluster's copy: no manifest, the epoch of the assignment that ends, and whether the copy stays without our marks.

    One that has to be gone before another is made takes its pods along before it counts as gone.
    """
    return Work(
        cluster=cluster,
        epoch=removal.epoch,
        template_uid=binding.template_uid,
        template_revision=binding.template_revision,
        binding_revision=binding_revision,
        preserve=removal.preserve,
        foreground=removal.first,
    )


def same_content(a: Work, b: Work) -> bool:
    """Whether writing one after the other would change anything in the member; equal content is not written again.

    Content is the manifest but for `shoal.dev/change`, the epoch, the template's uid, how a conflict is met, whether a copy is preserved or
    dispatching suspended, and a rendering error. The revisions a Work was rendered from and the record of overrides are inputs and no
    content. The template's *generation* is content, although it is only an annotation: aggregation compares it (R8.3), and a copy that
    kept an old one would hold back the template's `observedGeneration` for ever.
    """
    return (
        (a.cluster, a.epoch, a.template_uid, a.conflict, a.preserve, a.suspended, a.error)
        == (b.cluster, b.epoch, b.template_uid, b.conflict, b.preserve, b.suspended, b.error)
    ) and without_change(a.manifest) == without_change(b.manifest)
