"""Printer columns of the built-in kinds, as data: what `kubectl get` and `kubectl get -o wide` show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shoal.api.meta import Manifest
from shoal.kube.apiserver.ages import age
from shoal.kube.apiserver.selectors import selector_text

NONE = "<none>"


class Cell(NamedTuple):
    name: str
    value: Callable[[Manifest, datetime], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    """Above 0: only with `-o wide`."""


def _at(object_: Manifest, *path: str) -> Any:
    value: Any = object_
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _field(*path: str, missing: Any = "") -> Callable[[Manifest, datetime], Any]:
    def value(object_: Manifest, now: datetime) -> Any:
        found = _at(object_, *path)
        return missing if found is None else found

    return value


def _name(object_: Manifest, now: datetime) -> Any:
    return object_["metadata"].get("name", "")


def _created(object_: Manifest, now: datetime) -> Any:
    return age(object_["metadata"].get("creationTimestamp"), now)


def _pod_spec(object_: Manifest) -> Any:
    return _at(object_, "spec", "template", "spec") or _at(object_, "spec", "jobTemplate", "spec", "template", "spec") or {}


def _containers(object_: Manifest, now: datetime) -> Any:
    return ",".join(one.get("name", "") for one in _pod_spec(object_).get("containers") or ()) or NONE


def _images(object_: Manifest, now: datetime) -> Any:
    return ",".join(one.get("image", "") for one in _pod_spec(object_).get("containers") or ()) or NONE


def _selector(object_: Manifest, now: datetime) -> Any:
    return selector_text(_at(object_, "spec", "selector")) or NONE


def _ready_of(wanted: tuple[str, ...], ready: tuple[str, ...]) -> Callable[[Manifest, datetime], Any]:
    return lambda object_, now: f"{_at(object_, *ready) or 0}/{_at(object_, *wanted) or 0}"


NAME, AGE = Cell("Name", _name, format="name"), Cell("Age", _created)
_CONTAINERS = Cell("Containers", _containers, priority=1)
_IMAGES = Cell("Images", _images, priority=1)
_SELECTOR = Cell("Selector", _selector, priority=1)


def _count(name: str, *path: str) -> Cell:
    return Cell(name, _field(*path, missing=0), type="integer")


def _pod_ready(object_: Manifest, now: datetime) -> Any:
    statuses = _at(object_, "status", "containerStatuses") or ()
    return f"{sum(1 for one in statuses if one.get('ready'))}/{len(_at(object_, 'spec', 'containers') or ())}"


def _pod_status(object_: Manifest, now: datetime) -> Any:
    """The phase, or the reason why a container waits or ended."""
    if object_["metadata"].get("deletionTimestamp"):
        return "Terminating"
    reason = _at(object_, "status", "reason") or _at(object_, "status", "phase") or "Unknown"
    for one in reversed(_at(object_, "status", "containerStatuses") or ()):
        state = one.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            return state["waiting"]["reason"]
        ended = state.get("terminated")
        if ended:
            return ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    return reason


def _restarts(object_: Manifest, now: datetime) -> Any:
    return str(sum(one.get("restartCount", 0) for one in _at(object_, "status", "containerStatuses") or ()))


def _external(object_: Manifest, now: datetime) -> Any:
    spec = object_.get("spec") or {}
    ingress = [one.get("ip") or one.get("hostname") for one in _at(object_, "status", "loadBalancer", "ingress") or ()]
    if spec.get("type") == "ExternalName":
        return spec.get("externalName", NONE)
    if spec.get("type") == "LoadBalancer":
        return ",".join([*(spec.get("externalIPs") or ()), *ingress]) or "<pending>"
    return ",".join(spec.get("externalIPs") or ()) or NONE


def _ports(object_: Manifest, now: datetime) -> Any:
    told = []
    for port in _at(object_, "spec", "ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        told.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(told) or NONE


def _job_status(object_: Manifest, now: datetime) -> Any:
    for condition in _at(object_, "status", "conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed", "Suspended", "FailureTarget"):
            return condition["type"]
    return "Terminating" if object_["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(object_: Manifest, now: datetime) -> Any:
    wanted = _at(object_, "spec", "completions")
    done = _at(object_, "status", "succeeded") or 0
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {_at(object_, 'spec', 'parallelism') or 1}"


def _job_duration(object_: Manifest, now: datetime) -> Any:
    start, end = _at(object_, "status", "startTime"), _at(object_, "status", "completionTime")
    if not start:
        return ""
    until = datetime.fromisoformat(end).astimezone(UTC) if end else now
    return age(start, until)


def _node_status(object_: Manifest, now: datetime) -> Any:
    ready = next((one for one in _at(object_, "status", "conditions") or () if one.get("type") == "Ready"), None)
    told = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    if _at(object_, "spec", "unschedulable"):
        told.append("SchedulingDisabled")
    return ",".join(told)


def _node_roles(object_: Manifest, now: datetime) -> Any:
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in object_["metadata"].get("labels") or {} if key.startswith(prefix))
    return ",".join(role for role in roles if role) or NONE


def _node_address(kind: str) -> Callable[[Manifest, datetime], Any]:
    def value(object_: Manifest, now: datetime) -> Any:
        return next((one.get("address") for one in _at(object_, "status", "addresses") or () if one.get("type") == kind), NONE)

    return value


def _keys(*fields: str) -> Callable[[Manifest, datetime], Any]:
    return lambda object_, now: sum(len(object_.get(field) or ()) for field in fields)


def _node_selector(object_: Manifest, now: datetime) -> Any:
    return selector_text(_at(object_, "spec", "template", "spec", "nodeSelector")) or NONE


def _hosts(object_: Manifest, now: datetime) -> Any:
    return ",".join(rule.get("host") or "*" for rule in _at(object_, "spec", "rules") or ()) or "*"


def _ingress_address(object_: Manifest, now: datetime) -> Any:
    return ",".join(one.get("ip") or one.get("hostname") or "" for one in _at(object_, "status", "loadBalancer", "ingress") or ())


def _last_schedule(object_: Manifest, now: datetime) -> Any:
    last = _at(object_, "status", "lastScheduleTime")
    return age(last, now) if last else NONE


def _event_object(object_: Manifest, now: datetime) -> Any:
    about = object_.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_seen(object_: Manifest, now: datetime) -> Any:
    return age(object_.get("lastTimestamp") or (object_.get("series") or {}).get("lastObservedTime") or object_.get("eventTime"), now)


def _event_first(object_: Manifest, now: datetime) -> Any:
    return age(object_.get("firstTimestamp") or object_.get("eventTime"), now)


def _scaled_object(object_: Manifest, now: datetime) -> Any:
    return f"{_at(object_, 'spec', 'scaleTargetRef', 'kind')}/{_at(object_, 'spec', 'scaleTargetRef', 'name')}"


def _scaling_targets(object_: Manifest, now: datetime) -> Any:
    """`cpu: 20%/80%` for every metric by utilization; other metrics are named only."""
    current = {
        _at(one, "resource", "name"): _at(one, "resource", "current", "averageUtilization")
        for one in _at(object_, "status", "currentMetrics") or ()
    }
    told = []
    for metric in _at(object_, "spec", "metrics") or ():
        name, wanted = _at(metric, "resource", "name"), _at(metric, "resource", "target", "averageUtilization")
        if wanted is None:
            told.append(str(metric.get("type")))
        else:
            told.append(f"{name}: {'<unknown>' if current.get(name) is None else f'{current[name]}%'}/{wanted}%")
    return ", ".join(told) or NONE


def _budget(object_: Manifest, field: str) -> Any:
    value = _at(object_, "spec", field)
    return "N/A" if value is None else value


def _pod_selector(object_: Manifest, now: datetime) -> Any:
    return selector_text(_at(object_, "spec", "podSelector")) or NONE


def _role(object_: Manifest, now: datetime) -> Any:
    return f"{_at(object_, 'roleRef', 'kind')}/{_at(object_, 'roleRef', 'name')}"


BUILTIN_COLUMNS: dict[tuple[str, str], tuple[Cell, ...]] = {
    ("apps", "Deployment"): (
        NAME,
        Cell("Ready", _ready_of(("spec", "replicas"), ("status", "readyReplicas"))),
        _count("Up-to-date", "status", "updatedReplicas"),
        _count("Available", "status", "availableReplicas"),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    ("apps", "ReplicaSet"): (
        NAME,
        _count("Desired", "spec", "replicas"),
        _count("Current", "status", "replicas"),
        _count("Ready", "status", "readyReplicas"),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    ("apps", "StatefulSet"): (
        NAME,
        Cell("Ready", _ready_of(("spec", "replicas"), ("status", "readyReplicas"))),
        AGE,
        _CONTAINERS,
        _IMAGES,
    ),
    ("apps", "DaemonSet"): (
        NAME,
        _count("Desired", "status", "desiredNumberScheduled"),
        _count("Current", "status", "currentNumberScheduled"),
        _count("Ready", "status", "numberReady"),
        _count("Up-to-date", "status", "updatedNumberScheduled"),
        _count("Available", "status", "numberAvailable"),
        Cell("Node Selector", _node_selector),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    ("", "Pod"): (
        NAME,
        Cell("Ready", _pod_ready),
        Cell("Status", _pod_status),
        Cell("Restarts", _restarts),
        AGE,
        Cell("IP", _field("status", "podIP", missing=NONE), priority=1),
        Cell("Node", _field("spec", "nodeName", missing=NONE), priority=1),
        Cell("Nominated Node", _field("status", "nominatedNodeName", missing=NONE), priority=1),
        Cell("Readiness Gates", lambda object_, now: NONE, priority=1),
    ),
    ("", "Service"): (
        NAME,
        Cell("Type", _field("spec", "type", missing="ClusterIP")),
        Cell("Cluster-IP", _field("spec", "clusterIP", missing=NONE)),
        Cell("External-IP", _external),
        Cell("Port(s)", _ports),
        AGE,
        _SELECTOR,
    ),
    ("batch", "Job"): (
        NAME,
        Cell("Status", _job_status),
        Cell("Completions", _job_completions),
        Cell("Duration", _job_duration),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    ("batch", "CronJob"): (
        NAME,
        Cell("Schedule", _field("spec", "schedule")),
        Cell("Timezone", _field("spec", "timeZone", missing=NONE)),
        Cell("Suspend", lambda object_, now: str(bool(_at(object_, "spec", "suspend"))), type="boolean"),
        Cell("Active", lambda object_, now: len(_at(object_, "status", "active") or ()), type="integer"),
        Cell("Last Schedule", _last_schedule),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    ("", "Node"): (
        NAME,
        Cell("Status", _node_status),
        Cell("Roles", _node_roles),
        AGE,
        Cell("Version", _field("status", "nodeInfo", "kubeletVersion")),
        Cell("Internal-IP", _node_address("InternalIP"), priority=1),
        Cell("External-IP", _node_address("ExternalIP"), priority=1),
        Cell("OS-Image", _field("status", "nodeInfo", "osImage", missing="<unknown>"), priority=1),
        Cell("Kernel-Version", _field("status", "nodeInfo", "kernelVersion", missing="<unknown>"), priority=1),
        Cell("Container-Runtime", _field("status", "nodeInfo", "containerRuntimeVersion", missing="<unknown>"), priority=1),
    ),
    ("", "Namespace"): (NAME, Cell("Status", _field("status", "phase")), AGE),
    ("", "ConfigMap"): (NAME, Cell("Data", _keys("data", "binaryData"), type="integer"), AGE),
    ("", "Secret"): (NAME, Cell("Type", _field("type")), Cell("Data", _keys("data"), type="integer"), AGE),
    ("", "ServiceAccount"): (NAME, Cell("Secrets", _keys("secrets"), type="integer"), AGE),
    ("", "PersistentVolumeClaim"): (
        NAME,
        Cell("Status", _field("status", "phase")),
        Cell("Volume", _field("spec", "volumeName")),
        Cell("Capacity", _field("status", "capacity", "storage")),
        Cell("Access Modes", lambda object_, now: ",".join(_at(object_, "status", "accessModes") or ())),
        Cell("StorageClass", _field("spec", "storageClassName")),
        Cell("VolumeAttributesClass", _field("spec", "volumeAttributesClassName", missing="<unset>")),
        AGE,
        Cell("VolumeMode", _field("spec", "volumeMode", missing="<unset>"), priority=1),
    ),
    ("", "Event"): (
        Cell("Last Seen", _event_seen),
        Cell("Type", _field("type")),
        Cell("Reason", _field("reason")),
        Cell("Object", _event_object),
        Cell("Subobject", _field("involvedObject", "fieldPath"), priority=1),
        Cell("Source", _field("source", "component"), priority=1),
        Cell("Message", _field("message")),
        Cell("First Seen", _event_first, priority=1),
        Cell("Count", _field("count", missing=1), priority=1),
        Cell("Name", _name, format="name", priority=1),
    ),
    ("coordination.k8s.io", "Lease"): (NAME, Cell("Holder", _field("spec", "holderIdentity")), AGE),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        NAME,
        Cell("Reference", _scaled_object),
        Cell("Targets", _scaling_targets),
        Cell("MinPods", lambda object_, now: str(_at(object_, "spec", "minReplicas") or NONE)),
        _count("MaxPods", "spec", "maxReplicas"),
        _count("Replicas", "status", "currentReplicas"),
        AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        NAME,
        Cell("Min Available", lambda object_, now: str(_budget(object_, "minAvailable"))),
        Cell("Max Unavailable", lambda object_, now: str(_budget(object_, "maxUnavailable"))),
        _count("Allowed Disruptions", "status", "disruptionsAllowed"),
        AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (NAME, Cell("Pod-Selector", _pod_selector), AGE),
    ("rbac.authorization.k8s.io", "RoleBinding"): (NAME, Cell("Role", _role), AGE),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (NAME, Cell("Role", _role), AGE),
    ("rbac.authorization.k8s.io", "Role"): (NAME, Cell("Created At", _field("metadata", "creationTimestamp"))),
    ("rbac.authorization.k8s.io", "ClusterRole"): (NAME, Cell("Created At", _field("metadata", "creationTimestamp"))),
    ("networking.k8s.io", "Ingress"): (
        NAME,
        Cell("Class", _field("spec", "ingressClassName", missing=NONE)),
        Cell("Hosts", _hosts),
        Cell("Address", _ingress_address),
        Cell("Ports", lambda object_, now: "80, 443" if _at(object_, "spec", "tls") else "80"),
        AGE,
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (NAME, Cell("Created At", _field("metadata", "creationTimestamp"))),
}
"""Kinds that are not here show NAME and AGE."""
