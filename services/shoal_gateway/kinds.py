"""The kinds that the hub serves beside the built-in ones: Karmada's and our own, with schemas made from the structs of `shoal.api`."""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.api import apps, autoscaling, cluster, customization, networking, override, policy, quota, remedy, shoal, taint_policy
from shoal.api.meta import Manifest, Ref, group_of
from shoal.domain.matching.exclusions import HUB_GROUPS, reserved
from shoal.kube.apiserver.registry import VERBS, Column, Registry, ResourceType

WORK_GROUP = "work.karmada.io"
READ_VERBS = ("get", "list", "watch")

CHANGE = ("shoal.dev", "Change")
APPLICATION = ("shoal.dev", "Application")
BINDING_KINDS = ("ResourceBinding", "ClusterResourceBinding")
_KARMADA = ("karmada-io",)
_OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _column(name: str, path: str, type_: str = "string", *, priority: int = 0) -> Column:
    return Column(name=name, path=path, type=type_, priority=priority)


_AGE = _column("Age", ".metadata.creationTimestamp", "date")


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a struct, with its parts under `$defs`; defaults are left out, since absent fields stay absent in what is stored."""
    (root,), parts = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    cleaned = {name: _clean(part) for name, part in parts.items()}
    return {**root, "$defs": cleaned}


def _clean(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        return _clean(branches[0])
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _clean(part) for name, part in value.items()}
        elif key not in ("default", "title"):
            out[key] = _clean(value)
    if not out.get("required", True):
        del out["required"]
    return out


def _karmada(
    kind: str,
    plural: str,
    struct: type[msgspec.Struct],
    *columns: Column,
    group: str = policy.GROUP,
    short: str = "",
    namespaced: bool = False,
    status: bool = False,
    warning: str = "",
) -> ResourceType:
    """A kind of Karmada that users write, in its one version."""
    return ResourceType(
        group=group,
        kind=kind,
        plural=plural,
        namespaced=namespaced,
        versions=("v1alpha1",),
        short_names=(short,) if short else (),
        categories=_KARMADA,
        status=status,
        schemas={"v1alpha1": schema_of(struct)},
        columns={"": (*columns, _AGE)},
        warning=warning,
    )


_PROPAGATION_COLUMNS = (_column("Conflict-Resolution", ".spec.conflictResolution"), _column("Priority", ".spec.priority", "integer"))
_PROPAGATION, _OVERRIDE = policy.PropagationPolicy, override.OverridePolicy


_CLUSTER = ResourceType(
    group=cluster.GROUP,
    kind=cluster.KIND,
    plural="clusters",
    namespaced=False,
    versions=("v1alpha1",),
    categories=_KARMADA,
    status=True,
    schemas={"v1alpha1": schema_of(cluster.Cluster)},
    columns={
        "": (
            _column("Version", ".status.kubernetesVersion"),
            _column("Mode", ".spec.syncMode"),
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _AGE,
            _column("Provider", ".spec.provider"),
            _column("Region", ".spec.region"),
            _column("Zones", ".spec.zones", priority=1),
            _column("APIEndpoint", ".spec.apiEndpoint", priority=1),
        )
    },
)


def _binding(kind: str, plural: str, short: str, *, namespaced: bool) -> ResourceType:
    return ResourceType(
        group=WORK_GROUP,
        kind=kind,
        plural=plural,
        namespaced=namespaced,
        versions=("v1alpha2",),
        short_names=(short,),
        categories=_KARMADA,
        verbs=(*READ_VERBS, "update", "patch"),
        status=False,
        schemas={"v1alpha2": _OPEN},
        columns={
            "": (
                _column("Scheduled", '.status.conditions[?(@.type=="Scheduled")].status'),
                _column("FullyApplied", '.status.conditions[?(@.type=="FullyApplied")].status'),
                _AGE,
            )
        },
    )


_WORK = ResourceType(
    group=WORK_GROUP,
    kind="Work",
    plural="works",
    namespaced=True,
    versions=("v1alpha1",),
    short_names=("wk",),
    categories=_KARMADA,
    verbs=READ_VERBS,
    status=False,
    schemas={"v1alpha1": _OPEN},
    columns={"": (_column("Applied", '.status.conditions[?(@.type=="Applied")].status'), _AGE)},
)


INERT: dict[tuple[str, str], str] = {
    (customization.GROUP, "ResourceInterpreterCustomization"): "its scripts are not run: kinds are read by the built-in rules",
    (networking.GROUP, "MultiClusterService"): "no Service or EndpointSlice follows from it",
}
"""Kinds of Karmada that are checked and kept, so that what stands there can be brought along, and that nothing acts upon; and what that
means. Each write says so in a warning, each object in its condition `Effective`, and a deploy that holds one is refused."""


def inert_status(manifest: Manifest) -> Manifest | None:
    """The status of an object that nothing acts upon; None for all others."""
    told = INERT.get((group_of(str(manifest.get("apiVersion", ""))), str(manifest.get("kind", ""))))
    if told is None:
        return None
    condition = {"type": "Effective", "status": "False", "reason": "NotActedOn", "message": told}
    since = (manifest.get("metadata") or {}).get("creationTimestamp")
    return {"conditions": [condition | ({"lastTransitionTime": since} if since else {})]}


def _kept(group: str, kind: str, plural: str, short: str, struct: type[msgspec.Struct], *, namespaced: bool = True) -> ResourceType:
    effective = _column("Effective", '.status.conditions[?(@.type=="Effective")].status')
    told = f"{kind} is checked and kept, but Shoal does not act upon it: {INERT[group, kind]}"
    return _karmada(kind, plural, struct, effective, group=group, short=short, namespaced=namespaced, status=True, warning=told)


_LUA = customization.ResourceInterpreterCustomization
_KEPT = (
    _kept(customization.GROUP, "ResourceInterpreterCustomization", "resourceinterpretercustomizations", "ric", _LUA, namespaced=False),
    _kept(networking.GROUP, "MultiClusterService", "multiclusterservices", "mcs", networking.MultiClusterService),
)


def _own(kind: str, plural: str, columns: tuple[Column, ...], *, verbs: tuple[str, ...] = VERBS, short: str = "") -> ResourceType:
    return ResourceType(
        group=shoal.GROUP,
        kind=kind,
        plural=plural,
        namespaced=kind == "FailoverPolicy",
        versions=("v1alpha1",),
        short_names=(short,) if short else (),
        categories=("shoal",),
        status=False,
        schemas={"v1alpha1": schema_of(shoal.FailoverPolicy) if kind == "FailoverPolicy" else _OPEN},
        columns={"": columns},
        verbs=verbs,
    )


ADDED: tuple[ResourceType, ...] = (
    _karmada("PropagationPolicy", "propagationpolicies", _PROPAGATION, *_PROPAGATION_COLUMNS, short="pp", namespaced=True),
    _karmada("ClusterPropagationPolicy", "clusterpropagationpolicies", _PROPAGATION, *_PROPAGATION_COLUMNS, short="cpp"),
    _karmada("OverridePolicy", "overridepolicies", _OVERRIDE, short="op", namespaced=True),
    _karmada("ClusterOverridePolicy", "clusteroverridepolicies", _OVERRIDE, short="cop"),
    _karmada("ClusterTaintPolicy", "clustertaintpolicies", taint_policy.ClusterTaintPolicy),
    _karmada(
        quota.KIND,
        "federatedresourcequotas",
        quota.FederatedResourceQuota,
        _column("Overall", ".status.overall"),
        _column("Overall_Used", ".status.overallUsed"),
        short="frq",
        namespaced=True,
        status=True,
    ),
    _karmada(
        "WorkloadRebalancer",
        "workloadrebalancers",
        apps.WorkloadRebalancer,
        _column("Finished", ".status.finishTime", "date"),
        group=apps.GROUP,
        status=True,
    ),
    _karmada(
        autoscaling.FEDERATED_HPA,
        "federatedhpas",
        autoscaling.FederatedHPA,
        _column("Reference-Kind", ".spec.scaleTargetRef.kind"),
        _column("Reference-Name", ".spec.scaleTargetRef.name"),
        _column("MinPods", ".spec.minReplicas", "integer"),
        _column("MaxPods", ".spec.maxReplicas", "integer"),
        _column("Replicas", ".status.currentReplicas", "integer"),
        group=autoscaling.GROUP,
        short="fhpa",
        namespaced=True,
        status=True,
    ),
    _karmada(
        autoscaling.CRON_FEDERATED_HPA,
        "cronfederatedhpas",
        autoscaling.CronFederatedHPA,
        _column("Reference-Kind", ".spec.scaleTargetRef.kind"),
        _column("Reference-Name", ".spec.scaleTargetRef.name"),
        group=autoscaling.GROUP,
        short="cronfhpa",
        namespaced=True,
        status=True,
    ),
    _karmada(remedy.KIND, "remedies", remedy.Remedy, _column("Actions", ".spec.actions"), group=remedy.GROUP),
    _CLUSTER,
    _binding("ResourceBinding", "resourcebindings", "rb", namespaced=True),
    _binding("ClusterResourceBinding", "clusterresourcebindings", "crb", namespaced=False),
    _WORK,
    *_KEPT,
    _own("FailoverPolicy", "failoverpolicies", (_column("Prefer", ".spec.prefer"), _AGE), short="fop"),
    _own(
        "Change",
        "changes",
        (
            _column("Change", ".spec.change"),
            _column("Application", ".spec.application"),
            _column("Version", ".spec.version"),
            _column("Answered", ".spec.answered"),
            _AGE,
        ),
        verbs=READ_VERBS,
    ),
    _own(
        "Application",
        "applications",
        (_column("Version", ".spec.version"), _column("Change", ".spec.change"), _AGE),
        verbs=READ_VERBS,
        short="app",
    ),
)
READ_ONLY = frozenset((one.group, one.kind) for one in ADDED if one.verbs == READ_VERBS)
"""(group, kind) of what the system writes and users only read."""


def registry() -> Registry:
    """Every kind of the hub: the built-in ones as data, and the added ones."""
    found = Registry.builtin()
    for one in ADDED:
        found.add(one)
    return found


def is_template(ref: Ref) -> bool:
    """True for what may be placed on clusters: everything but the kinds that steer Shoal, outside reserved namespaces (R1.12)."""
    namespace = ref.name if ref.kind == "Namespace" and not ref.group else ref.namespace
    return ref.group not in HUB_GROUPS and not reserved(namespace) and not namespace.startswith("kube-")
