"""OverridePolicy and ClusterOverridePolicy (A03, A04, AA15)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.override import (
    ALL_CONTAINERS,
    BASE64,
    CONTAINERS,
    ENTRIES_MAX,
    POINTER_MAX,
    POINTER_STEPS_MAX,
    CommandArgsOverrider,
    EnvOverrider,
    FieldOverrider,
    FieldPatch,
    ImageOverrider,
    LabelAnnotationOverrider,
    OverridePolicy,
    Overriders,
    PlaintextOverrider,
)
from shoal.domain.admission.selectors import check_affinity, check_resource_selectors
from shoal.domain.admission.syntax import check_annotations, check_labels, one_of
from shoal.domain.admission.violation import Violation

_OPERATORS = ("add", "replace", "remove")
_LIST_OPERATORS = ("add", "remove", "replace", "overwrite")
_SCOPES = (CONTAINERS, ALL_CONTAINERS)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*\Z")


def default(policy: Manifest) -> Manifest:
    """Selectors of a namespaced policy get its namespace (AA01)."""
    spec = dict(policy.get("spec") or {})
    namespace = policy["metadata"].get("namespace") or ""
    if namespace and spec.get("resourceSelectors"):
        spec["resourceSelectors"] = [
            item if item.get("namespace") else item | {"namespace": namespace} for item in spec["resourceSelectors"]
        ]
    return policy | {"spec": spec}


def validate(policy: OverridePolicy, old: OverridePolicy | None) -> Iterator[Violation]:
    spec = policy.spec
    yield from check_resource_selectors(spec.resource_selectors, "spec.resourceSelectors", namespace=policy.metadata.namespace)
    if spec.override_rules and (spec.target_cluster is not None or spec.overriders is not None):
        yield Violation("spec.overrideRules", "overrideRules and overriders can't co-exist: move targetCluster and overriders into a rule")
    if spec.target_cluster is not None:
        yield from check_affinity(spec.target_cluster, "spec.targetCluster")
    if spec.overriders is not None:
        yield from _check_overriders(spec.overriders, "spec.overriders")
    for index, rule in enumerate(spec.override_rules):
        where = f"spec.overrideRules[{index}]"
        if rule.target_cluster is not None:
            yield from check_affinity(rule.target_cluster, f"{where}.targetCluster")
        yield from _check_overriders(rule.overriders, f"{where}.overriders")


def _check_overriders(overriders: Overriders, path: str) -> Iterator[Violation]:
    yield from _each(overriders.image_overrider, f"{path}.imageOverrider", _check_image)
    yield from _each(overriders.command_overrider, f"{path}.commandOverrider", _check_command)
    yield from _each(overriders.args_overrider, f"{path}.argsOverrider", _check_command)
    yield from _each(overriders.env_overrider, f"{path}.envOverrider", _check_env)
    yield from _each(overriders.labels_overrider, f"{path}.labelsOverrider", _check_labels)
    yield from _each(overriders.annotations_overrider, f"{path}.annotationsOverrider", _check_annotations)
    yield from _each(overriders.field_overrider, f"{path}.fieldOverrider", _check_field)
    yield from _each(overriders.plaintext, f"{path}.plaintext", _check_plaintext)


def _each(items: Sequence[Any], path: str, check: Any) -> Iterator[Violation]:
    if len(items) > ENTRIES_MAX:
        yield Violation(path, f"Too many: must have at most {ENTRIES_MAX} items, it has {len(items)}")
        return
    for index, item in enumerate(items):
        yield from check(item, f"{path}[{index}]")


def _check_image(item: ImageOverrider, path: str) -> Iterator[Violation]:
    yield from one_of(item.component, ("Registry", "Repository", "Tag"), f"{path}.component")
    yield from one_of(item.operator, _OPERATORS, f"{path}.operator")
    if item.predicate is not None and not item.predicate.path.startswith("/"):
        yield Violation(f"{path}.predicate.path", "path should be start with /: write such as /spec/template/spec/initContainers/0/image")
    elif item.predicate is not None:
        yield from _check_length(item.predicate.path, f"{path}.predicate.path")
    if item.operator in {"add", "replace"} and not item.value:
        yield Violation(f"{path}.value", f"Required value: what to {item.operator}")
    yield from one_of(item.scope, _SCOPES, f"{path}.scope")
    if item.predicate is not None and item.scope != CONTAINERS:
        yield Violation(f"{path}.scope", "predicate.path names one text: leave scope out, or the predicate")


def _check_command(item: CommandArgsOverrider, path: str) -> Iterator[Violation]:
    if not item.container_name:
        yield Violation(f"{path}.containerName", "Required value: the name of the container")
    yield from one_of(item.operator, _LIST_OPERATORS, f"{path}.operator")
    yield from one_of(item.scope, _SCOPES, f"{path}.scope")


def _check_env(item: EnvOverrider, path: str) -> Iterator[Violation]:
    if not item.container_name:
        yield Violation(f"{path}.containerName", "Required value: the name of the container")
    yield from one_of(item.operator, _OPERATORS, f"{path}.operator")
    yield from one_of(item.scope, _SCOPES, f"{path}.scope")
    for index, entry in enumerate(item.value):
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            yield Violation(f"{path}.value[{index}].name", "Required value: the name of the variable")


def _check_labels(item: LabelAnnotationOverrider, path: str) -> Iterator[Violation]:
    yield from one_of(item.operator, _OPERATORS, f"{path}.operator")
    yield from check_labels(item.value, f"{path}.value")
    yield from _check_path(item.path, f"{path}.path")


def _check_annotations(item: LabelAnnotationOverrider, path: str) -> Iterator[Violation]:
    yield from one_of(item.operator, _OPERATORS, f"{path}.operator")
    yield from check_annotations(item.value, f"{path}.value")
    yield from _check_path(item.path, f"{path}.path")


def _check_plaintext(item: PlaintextOverrider, path: str) -> Iterator[Violation]:
    yield from one_of(item.operator, _OPERATORS, f"{path}.operator")
    yield from _check_pointer(item.path, f"{path}.path")


def _check_field(item: FieldOverrider, path: str) -> Iterator[Violation]:
    if bool(item.json) == bool(item.yaml):
        yield Violation(path, "exactly one of json and yaml has to be written")
    yield from _check_pointer(item.field_path, f"{path}.fieldPath")
    yield from one_of(item.encoding, ("", BASE64), f"{path}.encoding")
    for form, patches in (("json", item.json), ("yaml", item.yaml)):
        yield from _each(patches, f"{path}.{form}", _check_patch)


def _check_patch(patch: FieldPatch, path: str) -> Iterator[Violation]:
    yield from one_of(patch.operator, _OPERATORS, f"{path}.operator")
    yield from _check_pointer(patch.sub_path, f"{path}.subPath")
    if patch.operator == "remove" and patch.value is not None:
        yield Violation(f"{path}.value", "value is not allowed for remove operation: leave it out")
    if patch.operator in {"add", "replace"} and patch.value is None:
        yield Violation(f"{path}.value", f"value is required for {patch.operator} operation")


def _check_path(pointer: str, path: str) -> Iterator[Violation]:
    """Of labels and annotations: nothing, or the map they are edited in."""
    if pointer:
        yield from _check_pointer(pointer, path)


def _check_pointer(pointer: str, path: str) -> Iterator[Violation]:
    yield from _check_length(pointer, path)
    if not pointer.startswith("/") or not _POINTER.match(pointer):
        yield Violation(path, "has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1")


def _check_length(pointer: str, path: str) -> Iterator[Violation]:
    if len(pointer) > POINTER_MAX or pointer.count("/") > POINTER_STEPS_MAX:
        yield Violation(path, f"Too long: at most {POINTER_MAX} characters and {POINTER_STEPS_MAX} steps")
