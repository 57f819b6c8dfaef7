"""What pod templates say: effective requests, node constraints, the objects they name, their images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from shoal.api.binding import NodeClaim, ReplicaRequirements
from shoal.api.meta import Manifest, Ref
from shoal.api.quantity import milli
from shoal.domain.interpreting.metadata import at, maps

_TEMPLATE_PATHS = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATED = ("spec", "template")


def pod_of(manifest: Manifest) -> Manifest:
    """The pod spec inside a workload (of the kinds with a pod template, and Pod); empty when there is none."""
    spec = at(manifest, *_TEMPLATE_PATHS.get(manifest.get("kind", ""), _TEMPLATED), "spec")
    return spec if isinstance(spec, dict) else {}


def images_of(pods: Iterable[Manifest]) -> tuple[str, ...]:
    """Images of the containers in their order, each once, without init containers; empty for kinds that run nothing."""
    return tuple(dict.fromkeys(str(item["image"]) for pod in pods for item in maps(pod.get("containers")) if item.get("image")))


# --- requirements (R2.8) ---------------------------------------------------------------------------------------------------------------


def requirements_of(manifest: Manifest) -> ReplicaRequirements | None:
    """What one pod of the workload needs; None when it has neither requests nor node constraints."""
    return pod_requirements(pod_of(manifest), at(manifest, "metadata", "namespace") or "")


def pod_requirements(pod: Manifest, namespace: str) -> ReplicaRequirements | None:
    """What a pod of this spec needs; None when it has neither requests nor node constraints."""
    requests = effective_requests(pod)
    claim = NodeClaim(
        hard_node_affinity=at(pod, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"),
        node_selector={key: str(value) for key, value in (pod.get("nodeSelector") or {}).items()},
        tolerations=tuple(maps(pod.get("tolerations"))),
    )
    constrained = claim != NodeClaim()
    if not (requests or constrained):
        return None
    return ReplicaRequirements(
        resource_request=requests,
        node_claim=claim if constrained else None,
        namespace=namespace,
        priority_class_name=pod.get("priorityClassName") or "",
    )


def effective_requests(pod: Manifest) -> dict[str, str]:
    """What a scheduler reserves for the pod: Kubernetes' rule for containers, sidecars, init containers and overhead, by resource name.

    Containers and sidecars (init containers with `restartPolicy: Always`) run together and are summed. Each plain init container runs
    beside the sidecars before it; where that is more, it counts. A limit stands in where the request is missing.
    """
    running: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in maps(pod.get("containers")):
        _add(running, _requests(container))
    for container in maps(pod.get("initContainers")):
        wants = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(running, wants)
            _add(sidecars, wants)
            wants = sidecars
        else:
            wants = {name: wants.get(name, 0) + sidecars.get(name, 0) for name in {*wants, *sidecars}}
        peak = {name: max(peak.get(name, 0), wants.get(name, 0)) for name in {*peak, *wants}}
    total = {name: max(running.get(name, 0), peak.get(name, 0)) for name in {*running, *peak}}
    _add(total, {name: _milli(value) for name, value in (pod.get("overhead") or {}).items()})
    return {name: _text(total[name]) for name in sorted(total) if total[name]}


def _requests(container: Manifest) -> dict[str, int]:
    resources = container.get("resources") or {}
    wanted = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: _milli(value) for name, value in wanted.items()}


def _milli(value: object) -> int:
    try:
        return milli(str(value))
    except ValueError:
        return 0  # No quantity: the member's API server refuses the object and says where.


def _text(thousandths: int) -> str:
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _add(total: dict[str, int], part: dict[str, int]) -> None:
    for name, amount in part.items():
        total[name] = total.get(name, 0) + amount


# --- dependencies (R7.6) ---------------------------------------------------------------------------------------------------------------


def pod_dependencies(manifest: Manifest) -> Iterator[Ref]:
    """ConfigMaps, Secrets, claims and the ServiceAccount that the pod template names; all in the workload's namespace."""
    return dependencies_of((pod_of(manifest),), at(manifest, "metadata", "namespace") or "")


def dependencies_of(pods: Iterable[Manifest], namespace: str) -> Iterator[Ref]:
    """The same for pod specs that are somewhere else in an object."""
    for pod in pods:
        for kind, name in _named(pod):
            if isinstance(name, str) and name:
                yield Ref("", kind, namespace, name)


def _named(pod: Manifest) -> Iterator[tuple[str, Any]]:
    for volume in maps(pod.get("volumes")):
        yield from _of_volume(volume)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in maps(pod.get(field)):
            yield from _of_container(container)
    for secret in maps(pod.get("imagePullSecrets")):
        yield "Secret", secret.get("name")
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account and account != "default":
        yield "ServiceAccount", account


def _of_volume(volume: Manifest) -> Iterator[tuple[str, Any]]:
    yield "ConfigMap", at(volume, "configMap", "name")
    yield "Secret", at(volume, "secret", "secretName")
    yield "PersistentVolumeClaim", at(volume, "persistentVolumeClaim", "claimName")
    for source in maps(at(volume, "projected", "sources")):
        yield "ConfigMap", at(source, "configMap", "name")
        yield "Secret", at(source, "secret", "name")
    yield "Secret", at(volume, "csi", "nodePublishSecretRef", "name")
    yield "Secret", at(volume, "azureFile", "secretName")
    for driver in ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"):
        yield "Secret", at(volume, driver, "secretRef", "name")


def _of_container(container: Manifest) -> Iterator[tuple[str, Any]]:
    for variable in maps(container.get("env")):
        yield "ConfigMap", at(variable, "valueFrom", "configMapKeyRef", "name")
        yield "Secret", at(variable, "valueFrom", "secretKeyRef", "name")
    for source in maps(container.get("envFrom")):
        yield "ConfigMap", at(source, "configMapRef", "name")
        yield "Secret", at(source, "secretRef", "name")


def without_claims(refs: Iterable[Ref], generated: set[str]) -> Iterator[Ref]:
    """The refs but for claims of these names, which the workload's own controller makes."""
    return (ref for ref in refs if not (ref.kind == "PersistentVolumeClaim" and ref.name in generated))
