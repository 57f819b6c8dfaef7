"""Reports -> copies -> the status of a template (R8.1 to R8.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Struct
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Report

UNKNOWN = "Unknown"
APPLYING = "Applying"
"""Reason of a copy whose cluster has not reported on this assignment yet."""
CLUSTER_SILENT = "ClusterSilent"
"""Reason of a copy whose cluster is lost: what it reported last is old."""

Merge = Callable[[Manifest, Sequence[CopyStatus], int], Manifest | None]
"""`interpreting.aggregate`: (template, copies, generation of the template) -> its status, or None when the kind has no rule."""


class Evidence(Struct, frozen=True, kw_only=True):
    """What is known of one cluster's copy."""

    member: str = ""
    report: Report | None = None
    change: str = ""
    """Change id of the report's entry."""


def template_status(
    template: Manifest | None,
    binding: Binding,
    evidence: Mapping[str, Evidence],
    *,
    merge: Merge,
    silent: Collection[str] = (),
) -> TemplateStatus:
    """The status entry of one template: a copy for every target and every removal that is not gone, by cluster.

    `template` is None when it is not in the view (then there is nothing to merge). `evidence` is by cluster and may name others: a cluster
    outside the binding shows only in `gone`. `silent`: clusters that are Lost; the health of their copies is Unknown.
    """
    gone = _gone(binding.template_uid, evidence)
    copies: list[CopyStatus] = []
    for target in binding.clusters:
        copies.append(_copy(target.name, target.epoch, binding.template_uid, evidence.get(target.name, Evidence())))
    for cluster, removal in binding.removals.items():
        # A copy on its way out was made in this epoch or before; one that nobody ever reported may still be there.
        if gone.get(cluster, -1) < removal.epoch:
            copies.append(_copy(cluster, 0, binding.template_uid, evidence.get(cluster, Evidence())))
    copies = sorted((_silenced(copy) if copy.cluster in silent else copy for copy in copies), key=lambda copy: copy.cluster)
    targets = {target.name for target in binding.clusters}
    placed = [copy for copy in copies if copy.cluster in targets]
    generation = template["metadata"].get("generation", 0) if template else 0
    return TemplateStatus(
        template_uid=binding.template_uid,
        copies=tuple(copies),
        gone=gone,
        fully_applied=bool(placed) and all(copy.applied for copy in placed),
        status=aggregate(template, placed, generation, merge=merge) if template else None,
    )


def aggregate(template: Manifest, copies: Sequence[CopyStatus], generation: int, *, merge: Merge) -> Manifest | None:
    """The template's merged status (R8.3). Copies are taken in the order of their clusters, so that the result does not depend on the order
    in which reports came; None when the kind has no rule."""
    return merge(template, sorted(copies, key=lambda copy: copy.cluster), generation)


def _copy(cluster: str, epoch: int, uid: str, evidence: Evidence) -> CopyStatus:
    """One cluster's copy. A report about an older assignment or another template says nothing about this one."""
    report = evidence.report
    if report is None or report.epoch < epoch or report.template_uid not in ("", uid) or (report.gone and epoch):
        return CopyStatus(cluster=cluster, member=evidence.member, reason=APPLYING, epoch=epoch)
    return CopyStatus(
        cluster=cluster,
        member=evidence.member,
        applied=report.applied,
        health=report.health if report.applied or report.reason == "Suspended" else UNKNOWN,
        reason=report.reason,
        message=report.message,
        epoch=report.epoch,
        work_revision=report.work_revision,
        template_revision=report.template_revision,
        template_generation=report.template_generation,
        change=evidence.change,
        status=report.status,
        generation=report.generation,
        replicas=report.replicas,
        image=report.image,
        applied_at=report.applied_at,
    )


def _silenced(copy: CopyStatus) -> CopyStatus:
    kept = {field: getattr(copy, field) for field in copy.__struct_fields__}
    return CopyStatus(**{**kept, "health": UNKNOWN, "reason": copy.reason or CLUSTER_SILENT})


def _gone(uid: str, evidence: Mapping[str, Evidence]) -> dict[str, int]:
    """Clusters whose member says that no copy of this template is left, with the epoch of the tombstone it carried out."""
    return {
        cluster: found.report.epoch
        for cluster, found in sorted(evidence.items())
        if found.report and found.report.gone and found.report.template_uid in ("", uid)
    }
