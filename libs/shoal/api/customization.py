"""Karmada's ResourceInterpreterCustomization (`config.karmada.io/v1alpha1`): Lua that teaches a control plane a kind."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict

GROUP = "config.karmada.io"


class Script(Strict, frozen=True, kw_only=True):
    lua_script: str


class CustomizationTarget(Strict, frozen=True, kw_only=True):
    api_version: str
    kind: str


class Customizations(Strict, frozen=True, kw_only=True):
    """One script for each operation; None leaves the built-in rule."""

    retention: Script | None = None
    replica_resource: Script | None = None
    component_resource: Script | None = None
    replica_revision: Script | None = None
    status_reflection: Script | None = None
    status_aggregation: Script | None = None
    health_interpretation: Script | None = None
    dependency_interpretation: Script | None = None


class CustomizationSpec(Strict, frozen=True, kw_only=True):
    target: CustomizationTarget
    customizations: Customizations = Customizations()


class ResourceInterpreterCustomization(Strict, frozen=True, kw_only=True):
    """A11. Written by users."""

    api_version: str = "config.karmada.io/v1alpha1"
    kind: str = "ResourceInterpreterCustomization"
    metadata: ObjectMeta = ObjectMeta()
    spec: CustomizationSpec
    status: dict[str, Any] = {}
