"""Bindings and works as Karmada shows them: `ResourceBinding`, `ClusterResourceBinding` (work.karmada.io/v1alpha2) and `Work` (v1alpha1).

Pure: entries in, objects out. Nothing of them is stored; what users may say on a binding is in `edits`.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from shoal.api.binding import HELD_BY_USER, REPLACEMENT_READY, Binding
from shoal.api.meta import Manifest, Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Work
from shoal.domain.rendering.names import binding_name, execution_namespace, work_name

_UIDS = uuid.UUID("5f0c2f60-6f2e-4d0e-9a57-1f1f0f7f3a10")
"""Name space of the uids of shown objects."""


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
    ref: Ref, binding: Binding, *, api_version: str, revision: int, created: str, change: str, status: TemplateStatus | None
) -> Manifest:
    """One binding as Karmada shows it. `created` is RFC 3339; `revision` the STATE sequence of the binding entry."""
    shown = binding_ref(ref)
    spec: dict[str, Any] = {
        "resource": _without_empty(
            {"apiVersion": api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": binding.template_uid}
        ),
        "replicas": binding.replicas,
        "clusters": [_without_none({"name": one.name, "replicas": one.replicas}) for one in binding.clusters],
        "placement": msgspec.to_builtins(binding.placement),
        "propagateDeps": binding.propagate_deps,
        "conflictResolution": binding.conflict_resolution,
        "schedulerName": "default-scheduler",
        "requiredBy": [
            {"namespace": one.owner.namespace, "name": binding_name(one.owner), "clusters": [{"name": name} for name in one.clusters]}
            for one in binding.required_by
        ],
        "gracefulEvictionTasks": [
            _without_empty(
                {
                    "fromCluster": cluster,
                    "reason": one.reason,
                    "producer": one.author,
                    "creationTimestamp": one.since,
                    "message": one.wait_for,
                }
            )
            for cluster, one in sorted(binding.removals.items())
            if one.wait_for in (REPLACEMENT_READY, HELD_BY_USER)
        ],
        "failover": msgspec.to_builtins(binding.failover),
        "suspension": msgspec.to_builtins(binding.suspension),
        "preserveResourcesOnDeletion": binding.preserve_resources_on_deletion or None,
    }
    metadata = {
        "name": shown.name,
        "namespace": ref.namespace,
        "uid": _uid("binding", binding.template_uid),
        "creationTimestamp": created,
        "annotations": _without_empty(
            {"shoal.dev/change": change, "shoal.dev/binding-revision": str(revision), "policy.karmada.io/applied-placement": _placement(binding)}
        ),
        "labels": _claim_labels(binding),
        "ownerReferences": [
            {
                "apiVersion": api_version, "kind": ref.kind, "name": ref.name, "uid": binding.template_uid,
                "controller": True, "blockOwnerDeletion": True,
            }
        ],
    }  # fmt: skip
    return {
        "apiVersion": "work.karmada.io/v1alpha2",
        "kind": shown.kind,
        "metadata": _without_empty(metadata),
        "spec": _without_empty(spec, keep=("clusters", "replicas")),
        "status": _binding_status(binding, status, created),
    }


def _placement(binding: Binding) -> str:
    return msgspec.json.encode(binding.placement).decode()


def _claim_labels(binding: Binding) -> dict[str, str]:
    if binding.claim is None:
        return {}
    prefix = "propagationpolicy" if binding.claim.policy.namespace else "clusterpropagationpolicy"
    return {f"{prefix}.karmada.io/permanent-id": binding.claim.uid}


def _binding_status(binding: Binding, status: TemplateStatus | None, since: str) -> dict[str, Any]:
    conditions = [msgspec.to_builtins(condition) for condition in binding.conditions]
    out: dict[str, Any] = {"conditions": conditions}
    if status is not None and status.template_uid == binding.template_uid:
        told = ("True", "FullyAppliedSuccess") if status.fully_applied else ("False", "FullyAppliedFailed")
        conditions.append({"type": "FullyApplied", "status": told[0], "reason": told[1], "lastTransitionTime": since, "message": ""})
        out["aggregatedStatus"] = [_item(one) for one in status.copies]
    if binding.affinity_name:
        out["schedulerObservingAffinityName"] = binding.affinity_name
    return out


def _item(one: CopyStatus) -> dict[str, Any]:
    message = "" if one.applied else " ".join(part for part in (one.reason, one.message) if part)
    return {
        "clusterName": one.cluster,
        "applied": one.applied,
        **({"appliedMessage": message} if message else {}),
        "health": one.health,
        **({"status": one.status} if one.status else {}),
    }


def work_object(ref: Ref, work: Work, *, revision: int, created: str, change: str, copy: CopyStatus | None) -> Manifest:
    """One work as Karmada shows it, with the verdict of the cluster's last report when it speaks of this or a later revision."""
    shown = work_ref(work.cluster, ref)
    current = copy is not None and copy.work_revision >= revision
    applied = {"type": "Applied", "status": "Unknown", "reason": "Pending", "message": "the cluster has not reported on this revision yet"}
    if copy is not None and current:
        applied = {
            "type": "Applied",
            "status": "True" if copy.applied else "False",
            "reason": "AppliedSuccessful" if copy.applied else (copy.reason or "AppliedFailed"),
            "message": copy.message or ("Manifest has been successfully applied" if copy.applied else ""),
        }
    applied["lastTransitionTime"] = (copy.applied_at if copy is not None and current else "") or created
    api_version = work.manifest.get("apiVersion", "")
    identifier = {
        "ordinal": 0,
        "group": ref.group,
        "version": api_version.rpartition("/")[2],
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }
    status: dict[str, Any] = {"conditions": [applied]}
    if copy is not None and copy.status is not None:
        status["manifestStatuses"] = [
            {"identifier": _without_empty(identifier, keep=("ordinal",)), "status": copy.status, "health": copy.health}
        ]
    return {
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": _without_empty(
            {
                "name": shown.name,
                "namespace": shown.namespace,
                "uid": _uid("work", work.cluster, work.template_uid, str(ref)),
                "creationTimestamp": created,
                "annotations": _without_empty(
                    {
                        "shoal.dev/change": change,
                        "shoal.dev/epoch": str(work.epoch),
                        "resourcebinding.karmada.io/name": binding_name(ref),
                        "resourcebinding.karmada.io/namespace": ref.namespace,
                    }
                ),
            }
        ),
        "spec": _without_empty(
            {
                "workload": {"manifests": [work.manifest] if work.manifest else []},
                "suspendDispatching": work.suspended or None,
                "preserveResourcesOnDeletion": work.preserve or None,
            }
        ),
        "status": status,
    }


def _without_empty(fields: dict[str, Any], keep: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in keep or value not in (None, "", [], {}, ())}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
