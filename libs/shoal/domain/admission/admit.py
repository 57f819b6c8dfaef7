"""The door: an object comes in, the object with its defaults and everything that is wrong with it go out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from shoal.api.apps import WorkloadRebalancer
from shoal.api.autoscaling import CronFederatedHPA, FederatedHPA
from shoal.api.cluster import Cluster
from shoal.api.customization import ResourceInterpreterCustomization
from shoal.api.meta import Manifest
from shoal.api.networking import MultiClusterService
from shoal.api.override import OverridePolicy
from shoal.api.policy import PropagationPolicy
from shoal.api.quota import FederatedResourceQuota
from shoal.api.remedy import Remedy
from shoal.api.shoal import FailoverPolicy
from shoal.api.taint_policy import ClusterTaintPolicy
from shoal.domain.admission import (
    cluster,
    cluster_taint_policy,
    cron_federated_hpa,
    failover_policy,
    federated_hpa,
    federated_resource_quota,
    multi_cluster_service,
    namespace,
    override_policy,
    propagation_policy,
    remedy,
    resource_interpreter_customization,
    shape,
    template,
    workload_rebalancer,
)
from shoal.domain.admission.violation import Violation

POLICY_GROUP, CLUSTER_GROUP, OWN_GROUP = "policy.karmada.io/v1alpha1", "cluster.karmada.io/v1alpha1", "shoal.dev/v1alpha1"
APPS_GROUP, CONFIG_GROUP = "apps.karmada.io/v1alpha1", "config.karmada.io/v1alpha1"
SCALING_GROUP, NETWORK_GROUP = "autoscaling.karmada.io/v1alpha1", "networking.karmada.io/v1alpha1"
REMEDY_GROUP = "remedy.karmada.io/v1alpha1"


class Kind(NamedTuple):
    """What is checked for one kind beside what holds for all."""

    struct: type[msgspec.Struct]
    default: Callable[[Manifest], Manifest]
    validate: Callable[[Any, Any], Iterable[Violation]]
    namespaced: bool | None = None
    """None: either is legal."""
    clashes: Callable[[Any, Any], Iterable[Violation]] | None = None
    """What is wrong beside the other objects of the kind."""


KINDS: dict[tuple[str, str], Kind] = {
    (POLICY_GROUP, "PropagationPolicy"): Kind(PropagationPolicy, propagation_policy.default, propagation_policy.validate, True),
    (POLICY_GROUP, "ClusterPropagationPolicy"): Kind(PropagationPolicy, propagation_policy.default, propagation_policy.validate, False),
    (POLICY_GROUP, "OverridePolicy"): Kind(OverridePolicy, override_policy.default, override_policy.validate, True),
    (POLICY_GROUP, "ClusterOverridePolicy"): Kind(OverridePolicy, override_policy.default, override_policy.validate, False),
    (CLUSTER_GROUP, "Cluster"): Kind(Cluster, cluster.default, cluster.validate, False),
    (APPS_GROUP, "WorkloadRebalancer"): Kind(WorkloadRebalancer, workload_rebalancer.default, workload_rebalancer.validate, False),
    (POLICY_GROUP, "FederatedResourceQuota"): Kind(
        FederatedResourceQuota, federated_resource_quota.default, federated_resource_quota.validate, True
    ),
    (POLICY_GROUP, "ClusterTaintPolicy"): Kind(
        ClusterTaintPolicy, cluster_taint_policy.default, cluster_taint_policy.validate, False, cluster_taint_policy.clashes
    ),
    (REMEDY_GROUP, "Remedy"): Kind(Remedy, remedy.default, remedy.validate, False),
    (SCALING_GROUP, "FederatedHPA"): Kind(FederatedHPA, federated_hpa.default, federated_hpa.validate, True),
    (SCALING_GROUP, "CronFederatedHPA"): Kind(CronFederatedHPA, cron_federated_hpa.default, cron_federated_hpa.validate, True),
    (NETWORK_GROUP, "MultiClusterService"): Kind(MultiClusterService, multi_cluster_service.default, multi_cluster_service.validate, True),
    (CONFIG_GROUP, "ResourceInterpreterCustomization"): Kind(
        ResourceInterpreterCustomization,
        resource_interpreter_customization.default,
        resource_interpreter_customization.validate,
        False,
        resource_interpreter_customization.clashes,
    ),
    (OWN_GROUP, "FailoverPolicy"): Kind(FailoverPolicy, failover_policy.default, failover_policy.validate),
}
_PERMANENT_IDS = {
    "PropagationPolicy": "propagationpolicy.karmada.io/permanent-id",
    "ClusterPropagationPolicy": "clusterpropagationpolicy.karmada.io/permanent-id",
}


def admit(manifest: Manifest, old: Manifest | None = None, *, now: str = "") -> tuple[Manifest, tuple[Violation, ...]]:
    """The object with its defaults, and its violations; with violations the object is the one that came in.

    `old` is what stands under the same name. `now` (RFC 3339) stamps taints; without it nothing is stamped.
    """
    if violations := tuple(template.validate(manifest)):
        return manifest, violations
    if (manifest["apiVersion"], manifest["kind"]) == ("v1", "Namespace"):
        return namespace.default(manifest), tuple(namespace.validate(manifest, old))
    kind = KINDS.get((manifest["apiVersion"], manifest["kind"]))
    if kind is None:
        return manifest, ()
    if violations := (*_check_scope(manifest, kind), *shape.check(_own_part(manifest), kind.struct)):
        return manifest, violations
    defaulted = _stamped(kind.default(_cleaned(manifest)), old, now)
    try:
        typed = _converted(defaulted, kind)
    except msgspec.ValidationError as error:
        return manifest, (Violation("", str(error)),)
    violations = (*kind.validate(typed, _converted_old(old, kind)), *_check_permanent_id(defaulted, old))
    return (manifest if violations else defaulted), violations


def clashes(manifest: Manifest, others: Iterable[Manifest]) -> tuple[Violation, ...]:
    """What is wrong with an admitted object beside the other ones of its kind; those that cannot be read are left out.

    `others` may hold the object of the same name, which is the one that is replaced. Kinds without such a rule take nothing from it.
    """
    kind = KINDS.get((manifest["apiVersion"], manifest["kind"]))
    if kind is None or kind.clashes is None:
        return ()
    name = manifest["metadata"].get("name")
    known = (_converted_old(other, kind) for other in others if other["metadata"].get("name") != name)
    return tuple(kind.clashes(_converted(manifest, kind), [one for one in known if one is not None]))


def _check_scope(manifest: Manifest, kind: Kind) -> Iterable[Violation]:
    namespaced = bool(manifest["metadata"].get("namespace"))
    if kind.namespaced and not namespaced:
        yield Violation("metadata.namespace", f"Required value: a {manifest['kind']} lives in the namespace it speaks for")
    if kind.namespaced is False and namespaced:
        yield Violation("metadata.namespace", f"has to be left out: a {manifest['kind']} is cluster-scoped")


def _own_part(manifest: Manifest) -> Manifest:
    """What the user says: `status` is the system's, and its shape no reason to refuse an object that comes back with it."""
    return {key: value for key, value in manifest.items() if key != "status"}


def _cleaned(manifest: Manifest) -> Manifest:
    return {key: value if key in {"metadata", "status"} else shape.without_nulls(value) for key, value in manifest.items()}


def _converted(manifest: Manifest, kind: Kind) -> Any:
    metadata = shape.without_nulls(manifest["metadata"])
    return msgspec.convert(shape.without_nulls(_own_part(manifest)) | {"metadata": metadata}, kind.struct)


def _converted_old(manifest: Manifest | None, kind: Kind) -> Any:
    """None also for an object that a former version let in and this one does not understand: nothing can be compared with it."""
    if manifest is None:
        return None
    try:
        return _converted(manifest, kind)
    except msgspec.ValidationError:
        return None


def _stamped(manifest: Manifest, old: Manifest | None, now: str) -> Manifest:
    """The permanent id of a propagation policy (B32) is its uid, once it has one; a Cluster's NoExecute taints get their time."""
    if manifest["kind"] == "Cluster":
        return cluster.default(manifest, now)
    label, uid = _PERMANENT_IDS.get(manifest["kind"]), manifest["metadata"].get("uid")
    if label is None or not uid:
        return manifest
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    # A new policy may be the copy of another one, with that one's id.
    return manifest | {"metadata": metadata | {"labels": labels | {label: uid} if old is None else {label: uid} | labels}}


def _check_permanent_id(manifest: Manifest, old: Manifest | None) -> Iterable[Violation]:
    """AA11."""
    label = _PERMANENT_IDS.get(manifest["kind"])
    before = ((old or {}).get("metadata", {}).get("labels") or {}).get(label) if label else None
    if before and (manifest["metadata"].get("labels") or {}).get(label) != before:
        yield Violation(f"metadata.labels[{label}]", f"is the policy's identity and cannot change: write {before} or leave it out")
