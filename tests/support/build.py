"""Objects from few words: only the fields that matter to a test are written in it.

Everything has a default; names are short. Append small functions; change none that others use.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from shoal.api.binding import Binding, Claim, ReplicaRequirements, TargetCluster
from shoal.api.cluster import Taint
from shoal.api.cluster_view import ClusterView
from shoal.api.meta import LabelSelector, Manifest, ObjectMeta, Ref, Requirement, ref_of
from shoal.api.options import PlacementOptions
from shoal.api.options import read as read_options
from shoal.api.override import OverridePolicy, Overriders, OverrideSpec, RuleWithCluster
from shoal.api.policy import (
    ClusterAffinity,
    ClusterAffinityTerm,
    ClusterPreferences,
    FieldSelector,
    OverflowClusterAffinity,
    Placement,
    PropagationPolicy,
    PropagationSpec,
    ReplicaSchedulingStrategy,
    ResourceSelector,
    SpreadConstraint,
    StaticClusterWeight,
    Toleration,
)
from shoal.api.quantity import milli
from shoal.api.status import READY, CopyStatus, TemplateStatus
from shoal.api.work import Report, Work
from shoal.domain.deciding import Inputs
from shoal.domain.matching import Owned, Policies
from shoal.domain.scheduling import Request, Snapshot

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
APIS = frozenset(
    {("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "Job"), ("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"),
     ("v1", "ServiceAccount"), ("v1", "Namespace")}
)  # fmt: skip


# --- templates ------------------------------------------------------------------------------------------------------------------------


def manifest(api_version: str, kind: str, name: str, *, ns: str = "shop", labels: dict[str, str] | None = None, **body: Any) -> Manifest:
    """Any object; `ns=""` for cluster-scoped ones."""
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{kind.lower()}-{name}"}
    if ns:
        metadata["namespace"] = ns
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def deployment(
    name: str = "web",
    *,
    ns: str = "shop",
    labels: dict[str, str] | None = None,
    replicas: int = 1,
    image: str = "nginx:1.27",
    requests: dict[str, str] | None = None,
    **pod: Any,
) -> Manifest:
    """A Deployment with one container named `main`; further fields of the pod's spec by keyword."""
    container: dict[str, Any] = {"name": "main", "image": image}
    if requests:
        container["resources"] = {"requests": dict(requests)}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return manifest("apps/v1", "Deployment", name, ns=ns, labels=labels, spec=spec)


def config_map(name: str = "settings", *, ns: str = "shop", labels: dict[str, str] | None = None, **data: str) -> Manifest:
    return manifest("v1", "ConfigMap", name, ns=ns, labels=labels, data=data)


def namespace(name: str = "shop", *, labels: dict[str, str] | None = None) -> Manifest:
    return manifest("v1", "Namespace", name, ns="", labels=labels)


# --- policies -------------------------------------------------------------------------------------------------------------------------


def selector(
    kind: str = "Deployment",
    name: str = "",
    *,
    ns: str = "",
    labels: dict[str, str] | None = None,
    api_version: str = "apps/v1",
) -> ResourceSelector:
    """`labels={}` is a label selector that is present but empty."""
    label_selector = None if labels is None else LabelSelector(match_labels=labels)
    return ResourceSelector(api_version=api_version, kind=kind, namespace=ns, name=name, label_selector=label_selector)


def affinity(
    *names: str,
    labels: dict[str, str] | None = None,
    exclude: tuple[str, ...] = (),
    fields: tuple[tuple[str, str, tuple[str, ...]], ...] = (),
) -> ClusterAffinity:
    """`fields=(("region", "In", ("hz",)),)`."""
    return ClusterAffinity(
        cluster_names=names,
        exclude=exclude,
        label_selector=None if labels is None else LabelSelector(match_labels=labels),
        field_selector=FieldSelector(match_expressions=tuple(Requirement(key=k, operator=o, values=v) for k, o, v in fields))
        if fields
        else None,
    )


def group(
    name: str, *clusters: str, labels: dict[str, str] | None = None, overflow: tuple[ClusterAffinity, ...] = ()
) -> ClusterAffinityTerm:
    """One ordered group (C06)."""
    return ClusterAffinityTerm(
        affinity_name=name,
        cluster_names=clusters,
        label_selector=None if labels is None else LabelSelector(match_labels=labels),
        overflow_affinities=tuple(
            OverflowClusterAffinity(affinity_name=f"overflow-{index}", cluster_names=item.cluster_names, label_selector=item.label_selector)
            for index, item in enumerate(overflow, start=1)
        ),
    )


def spread(field: str = "cluster", least: int = 1, most: int = 0) -> SpreadConstraint:
    return SpreadConstraint(spread_by_field=field, min_groups=least, max_groups=most)


DUPLICATED = ReplicaSchedulingStrategy(replica_scheduling_type="Duplicated")
AGGREGATED = ReplicaSchedulingStrategy(replica_scheduling_type="Divided", replica_division_preference="Aggregated")
EQUAL = ReplicaSchedulingStrategy(replica_scheduling_type="Divided", replica_division_preference="Weighted")
DYNAMIC = ReplicaSchedulingStrategy(
    replica_scheduling_type="Divided",
    replica_division_preference="Weighted",
    weight_preference=ClusterPreferences(dynamic_weight="AvailableReplicas"),
)


def weights(**by_cluster: int) -> ReplicaSchedulingStrategy:
    """Divided by static weights: `weights(m1=2, m2=1)`."""
    weights_ = tuple(StaticClusterWeight(target_cluster=affinity(name), weight=weight) for name, weight in by_cluster.items())
    return ReplicaSchedulingStrategy(
        replica_scheduling_type="Divided",
        replica_division_preference="Weighted",
        weight_preference=ClusterPreferences(static_weight_list=weights_),
    )


def placement(
    *names: str,
    labels: dict[str, str] | None = None,
    exclude: tuple[str, ...] = (),
    groups: tuple[ClusterAffinityTerm, ...] = (),
    division: ReplicaSchedulingStrategy | None = None,
    spread: tuple[SpreadConstraint, ...] = (),
    tolerations: tuple[Toleration, ...] = (),
) -> Placement:
    wanted = affinity(*names, labels=labels, exclude=exclude) if names or labels is not None or exclude else None
    return Placement(
        cluster_affinity=wanted,
        cluster_affinities=groups,
        cluster_tolerations=tolerations,
        spread_constraints=spread,
        replica_scheduling=division,
    )


def policy(name: str = "p", *selectors: ResourceSelector, ns: str = "shop", to: Placement | None = None, **spec: Any) -> PropagationPolicy:
    """A PropagationPolicy; with `ns=""` a ClusterPropagationPolicy. Without selectors it speaks of every Deployment."""
    return PropagationPolicy(
        kind="PropagationPolicy" if ns else "ClusterPropagationPolicy",
        metadata=ObjectMeta(name=name, namespace=ns, uid=f"uid-{ns}-{name}"),
        spec=PropagationSpec(resource_selectors=selectors or (selector(),), placement=to or Placement(), **spec),
    )


# --- clusters and what runs there -----------------------------------------------------------------------------------------------------


def taint(key: str, effect: str = "NoSchedule", *, value: str = "", added: str | None = None) -> Taint:
    return Taint(key=key, value=value, effect=effect, time_added=added)


def cluster(
    name: str = "m1",
    *,
    labels: dict[str, str] | None = None,
    provider: str = "",
    region: str = "",
    zones: tuple[str, ...] = (),
    taints: tuple[Taint, ...] = (),
    state: str = READY,
    deleting: bool = False,
    forgotten: bool = False,
    apis: frozenset[tuple[str, str]] = APIS,
    free: dict[str, str] | None = None,
    pods: int | None = 110,
    models: tuple[tuple[int, dict[str, int]], ...] = (),
    **facts: Any,
) -> ClusterView:
    """A Ready cluster with room for 110 pods; `free={"cpu": "4"}` adds further resources, `pods=None` is one without a summary."""
    room = None if pods is None else {"pods": pods * 1000} | {key: milli(text) for key, text in (free or {}).items()}
    return ClusterView(
        name=name, member=f"id-{name}", labels=labels or {}, provider=provider, region=region, zones=zones, taints=taints, state=state,
        deleting=deleting or forgotten, forgotten=forgotten, apis=apis, free=room, models=models, **facts,
    )  # fmt: skip


def target(name: str, replicas: int | None = None, epoch: int = 1) -> TargetCluster:
    return TargetCluster(name=name, replicas=replicas, epoch=epoch)


def binding(*targets: TargetCluster, uid: str = "uid-deployment-web", revision: int = 10, **fields: Any) -> Binding:
    return Binding(template_uid=uid, template_revision=revision, clusters=targets, **fields)


def copy(cluster: str, *, health: str = "Healthy", applied: bool = True, epoch: int = 1, revision: int = 10) -> CopyStatus:
    return CopyStatus(cluster=cluster, applied=applied, health=health, epoch=epoch, template_revision=revision)


def status(*copies: CopyStatus, gone: dict[str, int] | None = None, uid: str = "uid-deployment-web") -> TemplateStatus:
    return TemplateStatus(template_uid=uid, copies=copies, gone=gone or {})


def ref(kind: str = "Deployment", name: str = "web", *, ns: str = "shop", group: str = "apps") -> Ref:
    return Ref(group, kind, ns, name)


# --- overrides, works and reports ------------------------------------------------------------------------------------------------------


def rule(to: ClusterAffinity | None = None, **overriders: Any) -> RuleWithCluster:
    """One override rule; overriders by their Python names, `to=None` for every cluster."""
    return RuleWithCluster(target_cluster=to, overriders=Overriders(**overriders))


def override_policy(name: str, *rules: RuleWithCluster, ns: str = "shop", of: tuple[ResourceSelector, ...] = ()) -> OverridePolicy:
    """An OverridePolicy; with `ns=""` a ClusterOverridePolicy. Without selectors it speaks of every object."""
    return OverridePolicy(
        kind="OverridePolicy" if ns else "ClusterOverridePolicy",
        metadata=ObjectMeta(name=name, namespace=ns),
        spec=OverrideSpec(resource_selectors=of, override_rules=rules),
    )


def work(manifest_: Manifest | None = None, *, cluster: str = "m1", epoch: int = 1, uid: str = "uid-deployment-web", **fields: Any) -> Work:
    """A Work as the renderer writes it; the manifest is taken as it is."""
    return Work(cluster=cluster, epoch=epoch, template_uid=uid, template_revision=10, manifest=manifest_ or {}, **fields)


def report(*, applied: bool = True, health: str = "Healthy", epoch: int = 1, uid: str = "uid-deployment-web", **fields: Any) -> Report:
    return Report(work_revision=1, epoch=epoch, template_uid=uid, applied=applied, health=health, **fields)


# --- decisions ------------------------------------------------------------------------------------------------------------------------


def owned(policy: PropagationPolicy, *, revision: int = 5, uid: str = "", deleting: bool = False) -> Owned[PropagationPolicy]:
    """A policy beside what its entry says of it."""
    meta = policy.metadata
    ref = Ref("policy.karmada.io", policy.kind, meta.namespace, meta.name)
    return Owned(ref=ref, uid=uid or meta.uid, revision=revision, object=policy, deleting=deleting)


def claim(policy: PropagationPolicy, *, revision: int = 5, uid: str = "") -> Claim:
    held = owned(policy, uid=uid)
    return Claim(policy=held.ref, uid=held.uid, revision=revision)


def request(
    to: Placement | None = None,
    *,
    replicas: int = 0,
    requests: dict[str, str] | None = None,
    uid: str = "uid-deployment-web",
    kind: str = "Deployment",
    api_version: str = "apps/v1",
    **fields: Any,
) -> Request:
    """What `schedule` is asked; a Deployment without replicas unless told otherwise."""
    return Request(
        ref=Ref("apps" if "/" in api_version else "", kind, "shop", "web"),
        uid=uid,
        api_version=api_version,
        placement=to or Placement(),
        replicas=replicas,
        requirements=ReplicaRequirements(resource_request=requests) if requests else None,
        **fields,
    )


def inputs(
    template: Manifest | None,
    *policies: PropagationPolicy,
    clusters: tuple[ClusterView, ...] = (),
    revision: int = 10,
    position: int = 100,
    policy_revision: int = 5,
    now: datetime = NOW,
    **fields: Any,
) -> Inputs:
    """Everything one decision knows; replicas are read off the template's spec."""
    uid = template["metadata"].get("uid", "") if template else ""
    fields.setdefault("template_uid", uid)
    fields.setdefault("replicas", (template or {}).get("spec", {}).get("replicas", 0) if (template or {}).get("kind") != "Namespace" else 0)
    fields.setdefault("policies", Policies(owned(policy, revision=policy_revision) for policy in policies))
    fields.setdefault("snapshot", Snapshot(clusters))
    return Inputs(
        ref=ref_of(template) if template else fields.pop("ref"),
        template=template,
        template_revision=revision,
        now=now,
        position=position,
        **fields,
    )


def tolerate(key: str = "", *, effect: str = "NoExecute", seconds: int | None = None) -> Toleration:
    """Tolerates every value of a taint, for ever or for some seconds."""
    return Toleration(key=key, operator="Exists", effect=effect, toleration_seconds=seconds)


def annotated(policy: PropagationPolicy, **options: str) -> PropagationPolicy:
    """The policy with `policy.shoal.dev/...` annotations; `_` in a name stands for `-`."""
    annotations = {f"policy.shoal.dev/{name.replace('_', '-')}": text for name, text in options.items()}
    return msgspec.structs.replace(policy, metadata=msgspec.structs.replace(policy.metadata, annotations=annotations))


def options(**options: str) -> PlacementOptions:
    """What a policy with these annotations asks for; `_` in a name stands for `-`."""
    found, wrong = read_options({f"policy.shoal.dev/{name.replace('_', '-')}": text for name, text in options.items()})
    assert not wrong, wrong
    return found
