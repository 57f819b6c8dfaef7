"""Bindings and works as Karmada shows them: `ResourceBinding`, `ClusterResourceBinding` (work.karmada.io/v1alpha2) and `Work` (v1alpha1).

Pure: entries in, objects out. Nothing of them is stored; what users may say on a binding is in `edits`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from shoal.api.binding import HELD_BY_USER, REPLACEMENT_READY, SCHEDULED, Binding, Claim
from shoal.api.meta import Manifest, Ref
from shoal.api.policy import DIRECTLY, GRACEFULLY, NEVER
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Work
from shoal.domain.rendering.names import binding_name, execution_namespace, work_name

_UIDS = uuid.UUID("5f0c2f60-6f2e-4d0e-9a57-1f1f0f7f3a10")
"""Name space of the uids of shown objects."""
_NONE: Mapping[str, str] = MappingProxyType({})
_LISTED_MAX = 5
"""Clusters that a condition names."""


def binding_ref(ref: Ref) -> Ref:
    """Of the binding object that shows the template `ref`."""
    kind = "ResourceBinding" if ref.namespace else "ClusterResourceBinding"
    return Ref("work.karmada.io", kind, ref.namespace, binding_name(ref))


def work_ref(cluster: str, ref: Ref) -> Ref:
    return Ref("work.karmada.io", "Work", execution_namespace(cluster), work_name(ref))


def _uid(*parts: str) -> str:
    """The same object always has the same uid, though it is stored nowhere."""
    return str(uuid.uuid5(_UIDS, "/".join(parts)))


def binding_object(
    ref: Ref,
    binding: Binding,
    *,
    api_version: str,
    revision: int,
    created: str,
    change: str,
    status: TemplateStatus | None,
    errors: Mapping[str, str] = _NONE,
) -> Manifest:
    """One binding as Karmada shows it. `created` is RFC 3339; `revision` the STATE sequence of the binding entry; `errors` by cluster why
    overrides could not be applied."""
    shown = binding_ref(ref)
    return {
        "apiVersion": "work.karmada.io/v1alpha2",
        "kind": shown.kind,
        "metadata": _binding_metadata(ref, binding, api_version=api_version, revision=revision, created=created, change=change),
        "spec": _binding_spec(ref, binding, api_version),
        "status": _binding_status(binding, status, created, revision=revision, errors=errors),
    }


def _binding_metadata(ref: Ref, binding: Binding, *, api_version: str, revision: int, created: str, change: str) -> dict[str, Any]:
    uid = _uid("binding", binding.template_uid)
    return _without_empty(
        {
            "name": binding_name(ref),
            "namespace": ref.namespace,
            "uid": uid,
            "generation": revision,
            "creationTimestamp": created,
            "annotations": _without_empty(
                {
                    "shoal.dev/change": change,
                    "shoal.dev/binding-revision": str(revision),
                    "policy.karmada.io/applied-placement": _placement(binding),
                    **_claim_annotations(binding),
                }
            ),
            "labels": {f"{_binding_prefix(ref)}/permanent-id": uid, **_claim_labels(binding)},
            "ownerReferences": [
                {
                    "apiVersion": api_version, "kind": ref.kind, "name": ref.name, "uid": binding.template_uid,
                    "controller": True, "blockOwnerDeletion": True,
                }
            ],
        }
    )  # fmt: skip


def _binding_spec(ref: Ref, binding: Binding, api_version: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resource": _without_empty(
            {"apiVersion": api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": binding.template_uid}
        ),
        "replicas": binding.replicas,
        "replicaRequirements": msgspec.to_builtins(binding.replica_requirements),
        "components": msgspec.to_builtins(binding.components),
        "clusters": [
            _without_none({"name": one.name, "replicas": one.replicas, "components": msgspec.to_builtins(one.components) or None})
            for one in binding.clusters
        ],
        "placement": msgspec.to_builtins(binding.placement),
        "propagateDeps": binding.propagate_deps,
        "conflictResolution": binding.conflict_resolution,
        "schedulerName": "default-scheduler",
        "requiredBy": [
            {"namespace": one.owner.namespace, "name": binding_name(one.owner), "clusters": [{"name": name} for name in one.clusters]}
            for one in binding.required_by
        ],
        "gracefulEvictionTasks": _eviction_tasks(binding),
        "failover": msgspec.to_builtins(binding.failover),
        "suspension": msgspec.to_builtins(binding.suspension),
        "preserveResourcesOnDeletion": binding.preserve_resources_on_deletion or None,
    }
    return _without_empty(spec, keep=("clusters", "replicas"))


def _eviction_tasks(binding: Binding) -> list[dict[str, Any]]:
    return [
        _without_empty(
            {
                "fromCluster": cluster,
                "reason": one.reason,
                "producer": one.author,
                "creationTimestamp": one.since,
                "message": one.wait_for,
                "purgeMode": DIRECTLY if one.first else NEVER if one.confirm else GRACEFULLY,
                "gracePeriodSeconds": one.grace_period_s,
                "suppressDeletion": True if one.confirm and one.wait_for == HELD_BY_USER else None,
                "preservedLabelState": one.preserved,
                "clustersBeforeFailover": list(one.before),
            }
        )
        for cluster, one in sorted(binding.removals.items())
        if one.first or one.wait_for in (REPLACEMENT_READY, HELD_BY_USER)
    ]


def _placement(binding: Binding) -> str:
    return msgspec.json.encode(binding.placement).decode()


def _binding_prefix(ref: Ref) -> str:
    """Of the labels and annotations by which a binding is known (features section 26)."""
    return "resourcebinding.karmada.io" if ref.namespace else "clusterresourcebinding.karmada.io"


def _claim_labels(binding: Binding) -> dict[str, str]:
    return {f"{_policy_prefix(binding.claim)}/permanent-id": binding.claim.uid} if binding.claim is not None else {}


def _claim_annotations(binding: Binding) -> dict[str, str]:
    if binding.claim is None:
        return {}
    prefix, policy = _policy_prefix(binding.claim), binding.claim.policy
    return {f"{prefix}/name": policy.name, f"{prefix}/namespace": policy.namespace}


def _policy_prefix(claim: Claim) -> str:
    return "propagationpolicy.karmada.io" if claim.policy.namespace else "clusterpropagationpolicy.karmada.io"


def _binding_status(
    binding: Binding, status: TemplateStatus | None, since: str, *, revision: int, errors: Mapping[str, str]
) -> dict[str, Any]:
    """Scheduled and Claimed are the scheduler's, FullyApplied is R8.2, and Overridden tells why a cluster's own manifest cannot be made."""
    conditions = [msgspec.to_builtins(condition) for condition in binding.conditions]
    out: dict[str, Any] = {"conditions": conditions}
    if any(one.type == SCHEDULED and one.status == "True" for one in binding.conditions):  # Only success advances them.
        out["schedulerObservedGeneration"] = revision
        out |= {"lastScheduledTime": binding.explanation.decided_at} if binding.explanation.decided_at else {}
    if binding.affinity_name:
        out["schedulerObservingAffinityName"] = binding.affinity_name
    if errors:
        told = _listed(f"{cluster}: {sentence}" for cluster, sentence in sorted(errors.items()))
        conditions.append(_condition("Overridden", "False", "ApplyOverridePolicyFailed", told, since))
    if status is not None and status.template_uid == binding.template_uid:
        conditions.append(_fully_applied(binding, status, since))
        out["aggregatedStatus"] = [_item(one) for one in sorted(status.copies, key=lambda one: one.cluster)]
    return out


def _fully_applied(binding: Binding, status: TemplateStatus, since: str) -> dict[str, Any]:
    if status.fully_applied:
        at = max((one.applied_at for one in status.copies), default="") or since
        return _condition("FullyApplied", "True", "FullyAppliedSuccess", "every cluster has applied it", at)
    silent = [target.name for target in binding.clusters if status.copy(target.name) is None]
    told = [f"{one.cluster}: {_why(one) or 'not applied yet'}" for one in status.copies if not one.applied]
    message = _listed([*told, *(f"{name}: not heard of yet" for name in silent)])
    if purged := purges(binding):
        message += f"; {purged}"
    return _condition("FullyApplied", "False", "FullyAppliedFailed", message, since)


def purges(binding: Binding) -> str:
    """Which copies have to be gone before new ones are made (R6.2), as a sentence; empty when none has."""
    names = [name for name, one in binding.removals.items() if one.first]
    return f"new copies wait until {_listed(names)} said that the old one is gone (purgeMode Directly)" if names else ""


def _condition(type_: str, status: str, reason: str, message: str, since: str) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def _listed(sentences: Iterable[str]) -> str:
    """The first few; the rest is in `aggregatedStatus`."""
    told = list(sentences)
    more = f"; and {len(told) - _LISTED_MAX} more" if len(told) > _LISTED_MAX else ""
    return "; ".join(told[:_LISTED_MAX]) + more


def _why(one: CopyStatus) -> str:
    return ": ".join(part for part in (one.reason, one.message) if part)


def _item(one: CopyStatus) -> dict[str, Any]:
    """One cluster of `aggregatedStatus` (R8.1)."""
    message = "" if one.applied else _why(one)
    return {
        "clusterName": one.cluster,
        "applied": one.applied,
        **({"appliedMessage": message} if message else {}),
        "health": one.health,
        **({"status": one.status} if one.status else {}),
    }


def work_object(ref: Ref, work: Work, *, revision: int, created: str, change: str, copy: CopyStatus | None) -> Manifest:
    """One work as Karmada shows it, with the verdict of the cluster's last report when it speaks of this or a later revision."""
    shown, uid = work_ref(work.cluster, ref), _uid("work", work.cluster, work.template_uid, str(ref))
    prefix = _binding_prefix(ref)
    annotations = {
        "shoal.dev/change": change,
        "shoal.dev/epoch": str(work.epoch),
        f"{prefix}/name": binding_name(ref),
        f"{prefix}/namespace": ref.namespace,
        "policy.karmada.io/applied-overrides": _applied_overrides(work, "OverridePolicy"),
        "policy.karmada.io/applied-cluster-overrides": _applied_overrides(work, "ClusterOverridePolicy"),
    }
    return {
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": {
            "name": shown.name,
            "namespace": shown.namespace,
            "uid": uid,
            "creationTimestamp": created,
            "annotations": _without_empty(annotations),
            "labels": {f"{prefix}/permanent-id": _uid("binding", work.template_uid), "work.karmada.io/permanent-id": uid},
        },
        "spec": _without_empty(
            {
                "workload": {"manifests": [work.manifest] if work.manifest else []},
                "suspendDispatching": work.suspended or None,
                "preserveResourcesOnDeletion": work.preserve or None,
            }
        ),
        "status": _work_status(ref, work, copy, current=copy is not None and copy.work_revision >= revision, since=created),
    }


def _applied_overrides(work: Work, kind: str) -> str:
    """The overriders that were used, in order, as a JSON list of {policyName, overriders} (R5.7); empty when none was."""
    used = [one for one in work.overrides if one.policy.partition("/")[0] == kind]
    told = [{"policyName": one.policy.rpartition("/")[2], "overriders": one.overriders} for one in used]
    return msgspec.json.encode(told).decode() if told else ""


def _work_status(ref: Ref, work: Work, copy: CopyStatus | None, *, current: bool, since: str) -> dict[str, Any]:
    status: dict[str, Any] = {"conditions": [_applied(work, copy if current else None, since), _dispatching(work, since)]}
    if copy is not None and copy.status is not None:
        identifier = {
            "ordinal": 0,
            "group": ref.group,
            "version": str(work.manifest.get("apiVersion", "")).rpartition("/")[2],
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
        }
        status["manifestStatuses"] = [
            {"identifier": _without_empty(identifier, keep=("ordinal",)), "status": copy.status, "health": copy.health}
        ]
    return status


def _applied(work: Work, copy: CopyStatus | None, since: str) -> dict[str, Any]:
    """H12. `copy` is what was reported on this very revision."""
    if copy is None and work.error:
        return _condition("Applied", "False", "AppliedFailed", f"OverrideFailed: {work.error}", since)
    if copy is None:
        return _condition("Applied", "Unknown", "Pending", "the cluster has not reported on this revision yet", since)
    if copy.applied:
        return _condition(
            "Applied", "True", "AppliedSuccessful", copy.message or "Manifest has been successfully applied", copy.applied_at or since
        )
    return _condition("Applied", "False", "AppliedFailed", _why(copy) or "the cluster gave no reason", copy.applied_at or since)


def _dispatching(work: Work, since: str) -> dict[str, Any]:
    """H13."""
    if work.suspended:
        told = "what stands here is neither made nor changed in the cluster until its policy's spec.suspension ends"
        return _condition("Dispatching", "False", "SuspendDispatching", told, since)
    return _condition("Dispatching", "True", "Dispatching", "the cluster's agent applies what stands here", since)


def _without_empty(fields: dict[str, Any], keep: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in keep or value not in (None, "", [], {}, ())}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
