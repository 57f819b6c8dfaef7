"""Defaults that a real API server writes into objects and that users, kubectl or controllers see. Data first, small functions second.

`full` is what a member cluster does. Without it (the hub) only what Shoal counts on is filled: replicas of a Deployment or StatefulSet
and parallelism of a Job (R4.21, R7.2); templates stay as users wrote them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.schema import Node
from shoal.kube.apiserver.store import decode, encode

_Object = dict[str, Any]

_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD = {"dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler", "securityContext": {}}
_ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}
_VOLUME_MODES = {"secret": 420, "configMap": 420, "downwardAPI": 420, "projected": 420}
_RBAC = "rbac.authorization.k8s.io"


def fill(object_: Manifest, *, group: str, kind: str, full: bool) -> None:
    """Fills the defaults of a built-in kind in place; the object is a fresh one of the caller."""
    for function in _ALWAYS.get((group, kind), ()):
        function(object_)
    if full:
        for function in _FULL.get((group, kind), ()):
            function(object_)


def drop_empty(value: dict[str, Any], node: Node) -> None:
    """Drops optional lists and maps of free keys that hold nothing, in place, as the types of a real API server do when they are encoded."""
    for key in list(value):
        item = value[key]
        if isinstance(item, dict):
            child = node.at(key)
            if item:
                if child.declared:
                    drop_empty(item, child)
            elif node.declares(key) and child.is_map and key not in node.required:
                del value[key]
        elif isinstance(item, list):
            child = node.at(key)
            if item:
                if child.item.declared:
                    for one in item:
                        if isinstance(one, dict):
                            drop_empty(one, child.item)
            elif node.declares(key) and child.form == "list" and key not in node.required:
                del value[key]


def fill_from_schema(value: Any, node: Node) -> None:
    """Fills the `default`s of a schema in place (kinds made by a CustomResourceDefinition)."""
    if isinstance(value, dict):
        for name in node.declared:
            child = node.at(name)
            if name not in value and child.default is not None:
                value[name] = decode(encode(child.default))
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                fill_from_schema(item, node.at(name))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, (dict, list)):
                fill_from_schema(item, node.item)


def initial_status(object_: Manifest, *, group: str, kind: str) -> _Object | None:
    """The status that a created object starts with; None when the kind starts without one."""
    if (group, kind) == ("", "Pod"):
        return {"phase": "Pending", "qosClass": _qos(object_.get("spec") or {})}
    if (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
        return None  # `crd.py` writes it.
    fixed = _INITIAL_STATUS.get((group, kind))
    return None if fixed is None else dict(fixed)


_INITIAL_STATUS: dict[tuple[str, str], _Object] = {
    ("", "Namespace"): {"phase": "Active"},
    ("", "Service"): {"loadBalancer": {}},
    ("", "PersistentVolumeClaim"): {"phase": "Pending"},
    ("", "PersistentVolume"): {"phase": "Pending"},
    ("apps", "Deployment"): {},
    ("apps", "ReplicaSet"): {"replicas": 0},
    ("apps", "StatefulSet"): {"replicas": 0, "availableReplicas": 0},
    ("apps", "DaemonSet"): {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0},
    ("batch", "Job"): {},
    ("batch", "CronJob"): {},
    ("autoscaling", "HorizontalPodAutoscaler"): {"desiredReplicas": 0, "currentMetrics": None},
    ("networking.k8s.io", "Ingress"): {"loadBalancer": {}},
    ("policy", "PodDisruptionBudget"): {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
}


def _qos(spec: _Object) -> str:
    containers = [one for one in spec.get("containers") or () if isinstance(one, dict)]
    resources = [one.get("resources") or {} for one in containers]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    full = all({"cpu", "memory"} <= set(one.get("limits") or {}) for one in resources)
    same = all(not one.get("requests") or one["requests"] == one.get("limits") for one in resources)
    return "Guaranteed" if full and same else "Burstable"


def _spec(object_: Manifest) -> _Object:
    spec = object_.get("spec")
    if not isinstance(spec, dict):
        spec = object_["spec"] = {}
    return spec


def _set(target: _Object, defaults: _Object) -> None:
    for key, value in defaults.items():
        if key not in target:
            target[key] = dict(value) if isinstance(value, dict) else value


def _spec_defaults(**defaults: Any) -> Callable[[Manifest], None]:
    return lambda object_: _set(_spec(object_), defaults)


def _namespace(object_: Manifest) -> None:
    metadata = object_["metadata"]
    if "name" in metadata:
        metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    _set(_spec(object_), {"finalizers": ["kubernetes"]})


def _secret(object_: Manifest) -> None:
    texts = object_.pop("stringData", None)
    if texts:
        object_["data"] = {**(object_.get("data") or {}), **{key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}}
    _set(object_, {"type": "Opaque"})


def _pod_template(object_: Manifest) -> None:
    template = _spec(object_).get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _set(template, {"metadata": {}})
        _set(template["spec"], {"restartPolicy": "Always"})
        _pod_spec(template["spec"])


def _job_template(object_: Manifest) -> None:
    template = _spec(object_).get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _set(template, {"metadata": {}})
        _pod_spec(template["spec"])


def _cron_job(object_: Manifest) -> None:
    _set(
        _spec(object_),
        {"concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
    )
    job = _spec(object_).get("jobTemplate")
    if isinstance(job, dict) and isinstance(job.get("spec"), dict):
        _set(job, {"metadata": {}})
        _job_template(job)


def _pod(object_: Manifest) -> None:
    spec = _spec(object_)
    _set(spec, {"restartPolicy": "Always", "enableServiceLinks": True})
    _pod_spec(spec)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        resources = container["resources"]
        if resources.get("limits"):
            # What is limited and not requested is requested at its limit; in a pod only, its template stays as it was written.
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _pod_spec(spec: _Object) -> None:
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or ():
            for port in container.get("ports") or ():
                _set(port, {"hostPort": port.get("containerPort")})
    _set(spec, _POD)
    if "serviceAccountName" in spec:
        _set(spec, {"serviceAccount": spec["serviceAccountName"]})
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: _Object) -> None:
    _set(container, {**_CONTAINER, "imagePullPolicy": _pull_policy(container.get("image", "")), "resources": {}})
    for port in container.get("ports") or ():
        _set(port, {"protocol": "TCP"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if isinstance(probe, dict):
            _set(probe, _PROBE)
            if isinstance(probe.get("httpGet"), dict):
                _set(probe["httpGet"], {"path": "/", "scheme": "HTTP"})
    for variable in container.get("env") or ():
        source = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(source, dict):
            _set(source, {"apiVersion": "v1"})


def _pull_policy(image: str) -> str:
    name = image.rsplit("/", 1)[-1]
    if "@" in name:
        return "IfNotPresent"
    tag = name.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _volume(volume: _Object) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for name, mode in _VOLUME_MODES.items():
        if isinstance(volume.get(name), dict):
            _set(volume[name], {"defaultMode": mode})
    if isinstance(volume.get("hostPath"), dict):
        _set(volume["hostPath"], {"type": ""})


def _deployment(object_: Manifest) -> None:
    spec = _spec(object_)
    _set(spec, {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {}})
    strategy = spec["strategy"]
    _set(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {**_ROLLING, **(strategy.get("rollingUpdate") or {})}


def _stateful_set(object_: Manifest) -> None:
    spec = _spec(object_)
    _set(
        spec,
        {
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 10,
            "updateStrategy": {},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        },
    )
    strategy = spec["updateStrategy"]
    _set(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0, **(strategy.get("rollingUpdate") or {})}


def _daemon_set(object_: Manifest) -> None:
    spec = _spec(object_)
    _set(spec, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    strategy = spec["updateStrategy"]
    _set(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": 1, **(strategy.get("rollingUpdate") or {})}


def _job_counts(object_: Manifest) -> None:
    spec = _spec(object_)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _set(spec, {"parallelism": 1})


def _job(object_: Manifest) -> None:
    _set(
        _spec(object_),
        {
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "manualSelector": False,
            "podReplacementPolicy": "TerminatingOrFailed",
        },
    )


def complete(object_: Manifest, *, group: str, kind: str) -> None:
    """What a member's server adds to a new object by itself, in place."""
    if (group, kind) == ("batch", "Job"):
        _own_pods(object_)
    elif (group, kind) == ("", "Pod"):
        _tolerate(object_)
    elif (group, kind) == ("", "Node"):
        status = object_.get("status") or {}
        if status.get("capacity") and "allocatable" not in status:
            status["allocatable"] = dict(status["capacity"])


def _own_pods(object_: Manifest) -> None:
    """Gives a new Job the selector and the pod labels that tell its pods from those of others; needs its uid."""
    spec, metadata = _spec(object_), object_["metadata"]
    template = spec.get("template")
    if spec.get("manualSelector") or not isinstance(template, dict) or spec.get("selector"):
        return
    uid, name = metadata["uid"], metadata["name"]
    labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name, "controller-uid": uid, "job-name": name}
    template["metadata"] = {**(template.get("metadata") or {})}
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), **labels}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not metadata.get("labels"):
        metadata["labels"] = dict(template["metadata"]["labels"])


def _tolerate(object_: Manifest) -> None:
    """A pod stays on a node that is not ready or unreachable for five minutes, unless it says otherwise."""
    spec = _spec(object_)
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(one.get("key") in (key, None) and one.get("effect") in ("NoExecute", None) for one in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec["tolerations"] = tolerations
    _set(spec, {"serviceAccountName": "default", "preemptionPolicy": "PreemptLowerPriority", "priority": 0})
    _set(spec, {"serviceAccount": spec["serviceAccountName"]})


def _service(object_: Manifest) -> None:
    spec = _spec(object_)
    _set(spec, {"sessionAffinity": "None", "type": "ClusterIP"})
    for port in spec.get("ports") or ():
        _set(port, {"protocol": "TCP"})
        if spec["type"] != "ExternalName" and "port" in port:
            _set(port, {"targetPort": port["port"]})
    if spec["type"] != "ExternalName":
        _set(spec, {"internalTrafficPolicy": "Cluster"})
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        _set(spec, {"allocateLoadBalancerNodePorts": True})


def _autoscaler(object_: Manifest) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    _set(_spec(object_), {"minReplicas": 1, "metrics": [cpu]})


def _claim(object_: Manifest) -> None:
    _set(_spec(object_), {"volumeMode": "Filesystem"})


def _volume_claim_templates(object_: Manifest) -> None:
    for claim in _spec(object_).get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        _claim(claim)
        claim.setdefault("status", {"phase": "Pending"})


def _binding(object_: Manifest) -> None:
    role = object_.get("roleRef")
    if isinstance(role, dict):
        _set(role, {"apiGroup": _RBAC})
    for subject in object_.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _set(subject, {"apiGroup": _RBAC})


_ALWAYS: dict[tuple[str, str], tuple[Callable[[Manifest], None], ...]] = {
    ("", "Namespace"): (_namespace,),
    ("", "Secret"): (_secret,),
    ("apps", "Deployment"): (_spec_defaults(replicas=1),),
    ("apps", "StatefulSet"): (_spec_defaults(replicas=1),),
    ("apps", "ReplicaSet"): (_spec_defaults(replicas=1),),
    ("batch", "Job"): (_job_counts,),
}

_FULL: dict[tuple[str, str], tuple[Callable[[Manifest], None], ...]] = {
    ("", "Pod"): (_pod,),
    ("", "ReplicationController"): (_spec_defaults(replicas=1), _pod_template),
    ("", "Service"): (_service,),
    ("", "PersistentVolumeClaim"): (_claim,),
    ("", "PersistentVolume"): (_spec_defaults(volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain"),),
    ("apps", "Deployment"): (_deployment, _pod_template),
    ("apps", "ReplicaSet"): (_pod_template,),
    ("apps", "StatefulSet"): (_stateful_set, _pod_template, _volume_claim_templates),
    ("apps", "DaemonSet"): (_daemon_set, _pod_template),
    ("batch", "Job"): (_job, _job_template),
    ("batch", "CronJob"): (_cron_job,),
    ("autoscaling", "HorizontalPodAutoscaler"): (_autoscaler,),
    ("networking.k8s.io", "NetworkPolicy"): (_spec_defaults(policyTypes=["Ingress"]),),
    (_RBAC, "RoleBinding"): (_binding,),
    (_RBAC, "ClusterRoleBinding"): (_binding,),
}
