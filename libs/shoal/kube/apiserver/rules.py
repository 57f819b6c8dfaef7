"""Rules of single built-in kinds: what users most often get wrong, and fields that cannot be changed once set."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import Cause
from shoal.kube.apiserver.validation import DUPLICATE, FORBIDDEN, INVALID, REQUIRED, TOO_LONG, is_label, label_value_problem, unsupported

_Object = dict[str, Any]
_Rule = Callable[[Manifest, Manifest | None], list[Cause]]

_NOT_NEGATIVE = "must be greater than or equal to 0"
_DATA_BYTES_MAX = 1024 * 1024
"""All values of a ConfigMap or Secret together, as every member's API server has it."""
_STATEFUL_SET_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def kind_causes(object_: Manifest, old: Manifest | None, *, group: str, kind: str) -> list[Cause]:
    """Everything the rules of this kind have against an object; `old` is what it replaces."""
    out: list[Cause] = []
    for rule in _RULES.get((group, kind), ()):
        out += rule(object_, old)
    return out


def _spec(object_: Manifest | None) -> _Object:
    spec = (object_ or {}).get("spec")
    return spec if isinstance(spec, dict) else {}


def _told(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _not_negative(*names: str) -> _Rule:
    def rule(object_: Manifest, old: Manifest | None) -> list[Cause]:
        spec = _spec(object_)
        return [
            Cause(f"spec.{name}", INVALID, f"Invalid value: {spec[name]}: {_NOT_NEGATIVE}")
            for name in names
            if isinstance(spec.get(name), int) and spec[name] < 0
        ]

    return rule


def _immutable(*names: str) -> _Rule:
    def rule(object_: Manifest, old: Manifest | None) -> list[Cause]:
        if old is None:
            return []
        new, before = _spec(object_), _spec(old)
        return [
            Cause(f"spec.{name}", INVALID, f"Invalid value: {_told(new.get(name))}: field is immutable")
            for name in names
            if new.get(name) != before.get(name)
        ]

    return rule


def _selected_template(object_: Manifest, old: Manifest | None) -> list[Cause]:
    """The selector of a workload must not be empty and must match its own template."""
    spec = _spec(object_)
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        return []
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return [Cause("spec.selector", INVALID, f"Invalid value: {_told(selector)}: empty selector is invalid for {object_['kind']}")]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        told = _told(labels)
        return [Cause("spec.template.metadata.labels", INVALID, f"Invalid value: {told}: `selector` does not match template `labels`")]
    return []


def _template(object_: Manifest, old: Manifest | None) -> list[Cause]:
    template = _spec(object_).get("template")
    if not isinstance(template, dict):
        return []  # The schema tells that it is missing.
    return _pod_spec(template.get("spec"), "spec.template.spec", _claimed(_spec(object_)))


def _claimed(spec: _Object) -> set[Any]:
    """Volumes that a StatefulSet's pods get beside those of their template: one for each claim template, under its name."""
    return {(one.get("metadata") or {}).get("name") for one in spec.get("volumeClaimTemplates") or ()}


def _cron_template(object_: Manifest, old: Manifest | None) -> list[Cause]:
    job = _spec(_spec(object_).get("jobTemplate"))
    template = job.get("template") or {}
    return _pod_spec(template.get("spec"), "spec.jobTemplate.spec.template.spec") + _restart_policy(
        template, "spec.jobTemplate.spec.template.spec", ("OnFailure", "Never")
    )


def _pod(object_: Manifest, old: Manifest | None) -> list[Cause]:
    return _pod_spec(object_.get("spec"), "spec")


def _pod_spec(spec: Any, path: str, claimed: Collection[Any] = ()) -> list[Cause]:
    """Containers must exist, be named once each, and have an image; mounts must name volumes, or one of `claimed`."""
    if not isinstance(spec, dict) or not spec.get("containers"):
        return [Cause(f"{path}.containers", REQUIRED, "Required value")]
    out: list[Cause] = []
    volumes = {one.get("name") for one in spec.get("volumes") or ()} | set(claimed)
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            out += _container(container, f"{path}.{field}[{index}]", seen, volumes)
    return out


def _container(container: _Object, path: str, seen: set[str], volumes: set[Any]) -> list[Cause]:
    out: list[Cause] = []
    name = container.get("name")
    if not name:
        out.append(Cause(f"{path}.name", REQUIRED, "Required value"))
    elif name in seen:
        out.append(Cause(f"{path}.name", DUPLICATE, f'Duplicate value: "{name}"'))
    elif not is_label(name):
        out.append(Cause(f"{path}.name", INVALID, f'Invalid value: "{name}": a lowercase RFC 1123 label is needed'))
    seen.add(name or "")
    if not container.get("image"):
        out.append(Cause(f"{path}.image", REQUIRED, "Required value"))
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            out.append(Cause(f"{path}.volumeMounts[{index}].name", "FieldValueNotFound", f'Not found: "{mount.get("name")}"'))
    for index, port in enumerate(container.get("ports") or ()):
        out += _port(port.get("containerPort"), f"{path}.ports[{index}].containerPort")
    return out


def _port(value: Any, path: str) -> list[Cause]:
    if value is None:
        return [Cause(path, REQUIRED, "Required value")]
    if isinstance(value, int) and not 0 < value < 65536:
        return [Cause(path, INVALID, f"Invalid value: {value}: must be between 1 and 65535, inclusive")]
    return []


def _restart_policy(template: Any, path: str, allowed: tuple[str, ...]) -> list[Cause]:
    spec = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict):
        return []
    policy = spec.get("restartPolicy", "Always")
    if policy in allowed:
        return []
    if "restartPolicy" not in spec:
        return [Cause(f"{path}.restartPolicy", REQUIRED, f"Required value: valid values: {', '.join(_told(one) for one in allowed)}")]
    return [unsupported(f"{path}.restartPolicy", policy, list(allowed))]


def _always_restarts(object_: Manifest, old: Manifest | None) -> list[Cause]:
    return _restart_policy(_spec(object_).get("template"), "spec.template.spec", ("Always",))


def _ends(object_: Manifest, old: Manifest | None) -> list[Cause]:
    return _restart_policy(_spec(object_).get("template"), "spec.template.spec", ("OnFailure", "Never"))


def _deployment_strategy(object_: Manifest, old: Manifest | None) -> list[Cause]:
    strategy = _spec(object_).get("strategy") or {}
    kind = strategy.get("type", "RollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        return [unsupported("spec.strategy.type", kind, ["Recreate", "RollingUpdate"])]
    if kind == "Recreate" and "rollingUpdate" in strategy:
        because = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        return [Cause("spec.strategy.rollingUpdate", FORBIDDEN, because)]
    return []


def _job_template(object_: Manifest, old: Manifest | None) -> list[Cause]:
    """The template of a job stays, apart from a suspended job that has not started, whose scheduling may change."""
    if old is None or _spec(old).get("suspend"):
        return []
    return _immutable("template", "selector", "completionMode")(object_, old)


def _stateful_set(object_: Manifest, old: Manifest | None) -> list[Cause]:
    if old is None:
        return []
    fixed = [{key: value for key, value in _spec(one).items() if key not in _STATEFUL_SET_MAY_CHANGE} for one in (object_, old)]
    if fixed[0] == fixed[1]:
        return []
    told = ", ".join(f"'{name}'" for name in _STATEFUL_SET_MAY_CHANGE[:-1]) + f" and '{_STATEFUL_SET_MAY_CHANGE[-1]}'"
    return [Cause("spec", FORBIDDEN, f"Forbidden: updates to statefulset spec for fields other than {told} are forbidden")]


def _service(object_: Manifest, old: Manifest | None) -> list[Cause]:
    spec = _spec(object_)
    kind = spec.get("type", "ClusterIP")
    out: list[Cause] = []
    if kind not in ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"):
        out.append(unsupported("spec.type", kind, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]))
    ports = spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        out.append(Cause("spec.ports", REQUIRED, "Required value"))
    for index, port in enumerate(ports):
        out += _port(port.get("port"), f"spec.ports[{index}].port")
        if len(ports) > 1 and not port.get("name"):
            out.append(Cause(f"spec.ports[{index}].name", REQUIRED, "Required value"))
    for key, value in (spec.get("selector") or {}).items():
        if (wrong := label_value_problem(value)) is not None:
            out.append(Cause("spec.selector", INVALID, f'Invalid value: "{key}={value}": {wrong}'))
    before = _spec(old).get("clusterIP")
    if before and kind != "ExternalName" and spec.get("clusterIP") != before:
        out.append(Cause("spec.clusterIP", INVALID, f"Invalid value: {_told(spec.get('clusterIP'))}: field is immutable"))
    return out


def _data_keys(*fields: str) -> _Rule:
    def rule(object_: Manifest, old: Manifest | None) -> list[Cause]:
        out: list[Cause] = []
        for field in fields:
            for key in object_.get(field) or ():
                if not key or len(key) > 253 or key in (".", "..") or any(not (c.isalnum() or c in "-_.") for c in key):
                    because = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                    out.append(Cause(f"{field}[{key}]", INVALID, f'Invalid value: "{key}": {because}'))
        return out

    return rule


def _data_size(path: str, text: str = "", binary: str = "") -> _Rule:
    """`text` is the field with plain values, `binary` the one with base64; `path` is what the message names."""

    def rule(object_: Manifest, old: Manifest | None) -> list[Cause]:
        size = sum(len(str(value).encode()) for value in (object_.get(text) or {}).values())
        size += sum(len(str(value)) * 3 // 4 for value in (object_.get(binary) or {}).values())
        return [Cause(path, TOO_LONG, f"Too long: may not be more than {_DATA_BYTES_MAX} bytes")] if size > _DATA_BYTES_MAX else []

    return rule


def _frozen_data(*fields: str) -> _Rule:
    def rule(object_: Manifest, old: Manifest | None) -> list[Cause]:
        if old is None or not old.get("immutable"):
            return []
        because = "Forbidden: field is immutable when `immutable` is set"
        out = [Cause(field, FORBIDDEN, because) for field in fields if object_.get(field) != old.get(field)]
        if not object_.get("immutable"):
            out.append(Cause("immutable", FORBIDDEN, because))
        return out

    return rule


def _secret_type(object_: Manifest, old: Manifest | None) -> list[Cause]:
    if old is None or object_.get("type") == old.get("type"):
        return []
    return [Cause("type", INVALID, f"Invalid value: {_told(object_.get('type'))}: field is immutable")]


def _role_ref(object_: Manifest, old: Manifest | None) -> list[Cause]:
    if old is None or object_.get("roleRef") == old.get("roleRef"):
        return []
    return [Cause("roleRef", INVALID, f"Invalid value: {_told(object_.get('roleRef'))}: cannot change roleRef")]


_WORKLOAD = (_not_negative("replicas", "minReadySeconds", "revisionHistoryLimit"), _selected_template, _template, _always_restarts)
_BINDING: tuple[_Rule, ...] = (_role_ref,)

_RULES: dict[tuple[str, str], tuple[_Rule, ...]] = {
    ("", "ConfigMap"): (_data_keys("data", "binaryData"), _data_size("[]", "data", "binaryData"), _frozen_data("data", "binaryData")),
    ("", "Secret"): (_data_keys("data"), _data_size("data", binary="data"), _frozen_data("data"), _secret_type),
    ("", "Service"): (_service,),
    ("", "Pod"): (_pod,),
    ("apps", "Deployment"): (*_WORKLOAD, _deployment_strategy, _immutable("selector")),
    ("apps", "ReplicaSet"): (*_WORKLOAD, _immutable("selector")),
    ("apps", "DaemonSet"): (*_WORKLOAD, _immutable("selector")),
    ("apps", "StatefulSet"): (*_WORKLOAD, _stateful_set),
    ("batch", "Job"): (_not_negative("parallelism", "completions", "backoffLimit"), _template, _ends, _job_template),
    ("batch", "CronJob"): (_cron_template,),
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
}
