"""CustomResourceDefinitions: what makes one valid, its conditions, and the `ResourceType` it stands for."""

from __future__ import annotations

from typing import Any

import structlog

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import Cause
from shoal.kube.apiserver.registry import Column, Registry, ResourceType, Scale, version_rank
from shoal.kube.apiserver.store import Selection, Store

log = structlog.get_logger(__name__)

GROUP, KIND = "apiextensions.k8s.io", "CustomResourceDefinition"


def is_definition(resource: ResourceType) -> bool:
    return resource.group == GROUP and resource.kind == KIND


def causes(object_: Manifest) -> list[Cause]:
    """What is wrong with a definition beyond its schema."""
    spec = object_.get("spec") or {}
    names = spec.get("names") or {}
    out: list[Cause] = []
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if object_["metadata"]["name"] != wanted:
        because = f'Invalid value: "{object_["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        out.append(Cause("metadata.name", "FieldValueInvalid", because))
    versions = [one for one in spec.get("versions") or () if isinstance(one, dict)]
    if sum(1 for one in versions if one.get("storage")) != 1:
        out.append(Cause("spec.versions", "FieldValueInvalid", "Invalid value: must have exactly one version marked as storage version"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        out.append(
            Cause(
                "spec.scope",
                "FieldValueNotSupported",
                f'Unsupported value: "{spec.get("scope")}": supported values: "Cluster", "Namespaced"',
            )
        )
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            out.append(
                Cause(f"spec.versions[{index}].schema.openAPIV3Schema", "FieldValueRequired", "Required value: schemas are required")
            )
    return out


def established(new: Manifest, old: Manifest | None, *, now: str) -> Manifest:
    """The definition with the names and conditions that a real server writes a moment after it was accepted."""
    spec = new.get("spec") or {}
    names = dict(spec.get("names") or {})
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    stored = [one["name"] for one in spec.get("versions") or () if isinstance(one, dict) and one.get("storage") and "name" in one]
    status = (old or {}).get("status") or {}
    conditions = status.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
    ]
    kept = [*(status.get("storedVersions") or ()), *(one for one in stored if one not in (status.get("storedVersions") or ()))]
    return {
        **new,
        "spec": {**spec, "names": names, "conversion": spec.get("conversion") or {"strategy": "None"}},
        "status": {"acceptedNames": names, "conditions": conditions, "storedVersions": kept},
    }


def _condition(type_: str, reason: str, message: str, now: str) -> dict[str, str]:
    return {"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}


def resource_of(object_: Manifest) -> ResourceType:
    """The kind that a definition makes."""
    spec: dict[str, Any] = object_["spec"]
    names = spec["names"]
    served = sorted((one for one in spec["versions"] if one.get("served")), key=lambda one: version_rank(one["name"]))
    subresources = [one.get("subresources") or {} for one in served]
    scale = next((one["scale"] for one in subresources if one.get("scale")), None)
    return ResourceType(
        group=spec["group"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        versions=tuple(one["name"] for one in served),
        singular=names.get("singular", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status=any("status" in one for one in subresources),
        scale=None
        if scale is None
        else Scale(
            spec_path=scale["specReplicasPath"],
            status_path=scale["statusReplicasPath"],
            selector_path=scale.get("labelSelectorPath"),
        ),
        schemas={one["name"]: one["schema"]["openAPIV3Schema"] for one in served if (one.get("schema") or {}).get("openAPIV3Schema")},
        columns={one["name"]: _columns(one) for one in served if one.get("additionalPrinterColumns")},
        fill_defaults=True,
    )


def _columns(version: dict[str, Any]) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=one["name"],
            path=one["jsonPath"],
            type=one["type"],
            priority=one.get("priority", 0),
            description=one.get("description", ""),
        )
        for one in version["additionalPrinterColumns"]
    )


class Definitions:
    """Keeps a registry equal to the definitions in a store, whoever wrote them. Looked at before a path is called unknown."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry
        self._seen: dict[str, tuple[int, ResourceType]] = {}
        self._shadowed: dict[tuple[str, str], ResourceType] = {}
        self._looked_at = -1

    def refresh(self) -> None:
        """Adds, replaces and discards kinds. Cheap when nothing was written since the last look."""
        revision = self._store.revision()
        if revision == self._looked_at:
            return
        self._looked_at = revision
        present: set[str] = set()
        for stored in self._store.list(Selection(GROUP, KIND)):
            name = stored.ref.name
            present.add(name)
            seen = self._seen.get(name)
            if seen is None or seen[0] != stored.revision:
                try:
                    resource = resource_of(stored.object())
                except (KeyError, TypeError, AttributeError) as error:
                    # It did not come through this door. The other kinds must go on being served.
                    log.warning("definition cannot be served", definition=name, error=repr(error))
                    continue
                self._add(name, stored.revision, resource, seen)
        for name in self._seen.keys() - present:
            _, resource = self._seen.pop(name)
            self._registry.discard(resource.group, resource.kind)
            shadowed = self._shadowed.pop((resource.group, resource.kind), None)
            if shadowed is not None:
                self._registry.add(shadowed)

    def _add(self, name: str, revision: int, resource: ResourceType, seen: tuple[int, ResourceType] | None) -> None:
        """A definition may describe a kind that is served anyway (a policy installed from its original files): the one served stays."""
        served = self._registry.of(resource.group, resource.kind)
        if served is not None and (seen is None or served is not seen[1]):
            resource = served
            self._shadowed[resource.group, resource.kind] = served
        else:
            self._registry.add(resource)
        self._seen[name] = (revision, resource)
