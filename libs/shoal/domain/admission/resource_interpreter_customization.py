"""ResourceInterpreterCustomization (A11, AA21): its structure. The scripts are Lua, which nothing here reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shoal.api.customization import Customizations, ResourceInterpreterCustomization, Script
from shoal.api.meta import Manifest
from shoal.domain.admission.violation import Violation

_SCRIPT_MAX = 64 * 1024
"""Characters; a script decides about one kind, and the longest known has a hundredth of that."""


def default(customization: Manifest) -> Manifest:
    return customization


def validate(customization: ResourceInterpreterCustomization, old: ResourceInterpreterCustomization | None) -> Iterator[Violation]:
    target = customization.spec.target
    for field, value in (("apiVersion", target.api_version), ("kind", target.kind)):
        if not value:
            yield Violation(f"spec.target.{field}", "Required value: the kind that the scripts speak of, such as apps/v1 Deployment")
    scripts = dict(_scripts(customization.spec.customizations))
    if not scripts:
        yield Violation("spec.customizations", f"Required value: at least one of {', '.join(_OPERATIONS)}")
    for operation, script in scripts.items():
        path = f"spec.customizations.{operation}.luaScript"
        if not script.lua_script.strip():
            yield Violation(path, f"Required value: the whole function {_OPERATIONS[operation]}, from function to end")
        elif len(script.lua_script) > _SCRIPT_MAX:
            yield Violation(path, f"Too long: may not be more than {_SCRIPT_MAX} characters")


def clashes(customization: ResourceInterpreterCustomization, others: Iterable[ResourceInterpreterCustomization]) -> Iterator[Violation]:
    """One operation of one kind has one script."""
    for other in others:
        if other.spec.target != customization.spec.target:
            continue
        taken = dict(_scripts(other.spec.customizations))
        for operation, _ in _scripts(customization.spec.customizations):
            if operation in taken:
                told = f"Duplicate value: conflicting with ResourceInterpreterCustomization {other.metadata.name}; change that one"
                yield Violation(f"spec.customizations.{operation}", told)


_OPERATIONS = {
    "retention": "Retain",
    "replicaResource": "GetReplicas",
    "componentResource": "GetComponents",
    "replicaRevision": "ReviseReplica",
    "statusReflection": "ReflectStatus",
    "statusAggregation": "AggregateStatus",
    "healthInterpretation": "InterpretHealth",
    "dependencyInterpretation": "GetDependencies",
}
"""Field of an operation -> the function that its script defines."""


def _scripts(rules: Customizations) -> Iterator[tuple[str, Script]]:
    found = (
        rules.retention, rules.replica_resource, rules.component_resource, rules.replica_revision, rules.status_reflection,
        rules.status_aggregation, rules.health_interpretation, rules.dependency_interpretation,
    )  # fmt: skip
    return ((field, script) for field, script in zip(_OPERATIONS, found, strict=True) if script is not None)
