"""A member cluster (`cluster.karmada.io/v1alpha1`): what users say of it (spec) and what is known of it (status)."""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.api.meta import Condition, ObjectMeta, Strict, Struct

GROUP = "cluster.karmada.io"
KIND = "Cluster"
MEMBER_ID_ANNOTATION = "cluster.shoal.dev/member-id"
"""On the Cluster object: the opaque id under which the member speaks on the bus. Written by the gateway at registration."""


class Taint(Strict, frozen=True, kw_only=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"
    time_added: str | None = None


class ResourceRange(Strict, frozen=True, kw_only=True):
    """What a node of a grade has left of one resource, from `min` (included) to `max` (excluded); quantities, as text or number."""

    name: str
    min: Any = "0"
    max: Any = None
    """None: without end."""


class ResourceModel(Strict, frozen=True, kw_only=True):
    """One grade by which a member's nodes are told apart (L11)."""

    grade: int
    ranges: tuple[ResourceRange, ...] = ()


class Grade(Struct, frozen=True, kw_only=True):
    """What counting and estimating need of a resource model (R4.17, R4.18)."""

    number: int = 0
    least: dict[str, str] = {}
    """Resource -> lower bound, as a quantity."""


class ClusterSpec(Strict, frozen=True, kw_only=True):
    id: str = ""
    """UID of the member's `kube-system` namespace (L03)."""
    sync_mode: str = "Pull"
    api_endpoint: str = ""
    secret_ref: dict[str, str] | None = None
    impersonator_secret_ref: dict[str, str] | None = None
    insecure_skip_tls_verification: bool = msgspec.field(name="insecureSkipTLSVerification", default=False)
    proxy_url: str = msgspec.field(name="proxyURL", default="")
    proxy_header: dict[str, str] = {}
    provider: str = ""
    region: str = ""
    zone: str = ""
    zones: tuple[str, ...] = ()
    taints: tuple[Taint, ...] = ()
    resource_models: tuple[ResourceModel, ...] = ()
    """Grades in ascending order; empty: nodes are not counted by grade, and the general estimate knows only sums."""


class APIResource(Struct, frozen=True, kw_only=True):
    name: str
    kind: str


class APIEnablement(Struct, frozen=True, kw_only=True):
    group_version: str
    resources: tuple[APIResource, ...] = ()


class NodeSummary(Struct, frozen=True, kw_only=True):
    total_num: int = 0
    ready_num: int = 0


class ResourceSummary(Struct, frozen=True, kw_only=True):
    """Quantities as Kubernetes writes them (`"3920m"`, `"7Gi"`), summed over the member's nodes (R4.16)."""

    allocatable: dict[str, str] = {}
    allocating: dict[str, str] = {}
    allocated: dict[str, str] = {}
    allocatable_modelings: tuple[dict[str, Any], ...] = ()
    """`{grade, count}` for every grade of the Cluster's spec, in its order: nodes that have so much left (R4.18)."""


class ClusterStatus(Struct, frozen=True, kw_only=True):
    kubernetes_version: str = ""
    api_enablements: tuple[APIEnablement, ...] = ()
    conditions: tuple[Condition, ...] = ()
    node_summary: NodeSummary | None = None
    resource_summary: ResourceSummary | None = None
    remedy_actions: tuple[str, ...] = ()
    """What Remedies ask for while their conditions hold (R15.5)."""


class Cluster(Strict, frozen=True, kw_only=True):
    """A07. Created by the gateway when an agent registers, or by the user before; status by health-monitor."""

    api_version: str = "cluster.karmada.io/v1alpha1"
    kind: str = "Cluster"
    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterSpec = ClusterSpec()
    status: ClusterStatus = ClusterStatus()


def grades_of(models: tuple[ResourceModel, ...]) -> tuple[Grade, ...]:
    """The lower bounds of resource models, in ascending order of grades."""
    return tuple(
        Grade(number=model.grade, least={bound.name: str(bound.min) for bound in model.ranges})
        for model in sorted(models, key=lambda model: model.grade)
    )
