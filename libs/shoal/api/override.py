"""Karmada's override policies (`policy.karmada.io/v1alpha1`), and what Shoal adds to them."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict
from shoal.api.policy import ClusterAffinity, ResourceSelector


class ImagePredicate(Strict, frozen=True, kw_only=True):
    path: str


class ImageOverrider(Strict, frozen=True, kw_only=True):
    component: str
    """Registry, Repository or Tag."""
    operator: str
    """add, replace or remove."""
    value: str = ""
    predicate: ImagePredicate | None = None


class CommandArgsOverrider(Strict, frozen=True, kw_only=True):
    container_name: str
    operator: str
    value: tuple[str, ...] = ()


class LabelAnnotationOverrider(Strict, frozen=True, kw_only=True):
    operator: str
    value: dict[str, str] = {}


class EnvOverrider(Strict, frozen=True, kw_only=True):
    """Shoal's own (GX05): environment variables of one container. `value` holds whole entries as Kubernetes writes them."""

    container_name: str
    operator: str
    """add (sets or appends by name), replace (only where the name exists), remove (by name)."""
    value: tuple[dict[str, Any], ...] = ()


class PlaintextOverrider(Strict, frozen=True, kw_only=True):
    path: str
    operator: str
    value: Any = None


class FieldPatch(Strict, frozen=True, kw_only=True):
    sub_path: str
    operator: str
    value: Any = None


class FieldOverrider(Strict, frozen=True, kw_only=True):
    field_path: str
    json: tuple[FieldPatch, ...] = ()
    yaml: tuple[FieldPatch, ...] = ()


class Overriders(Strict, frozen=True, kw_only=True):
    """One rule's edits, applied in the order of the fields below (R5.5, G12); `envOverrider` comes after `argsOverrider`."""

    image_overrider: tuple[ImageOverrider, ...] = ()
    command_overrider: tuple[CommandArgsOverrider, ...] = ()
    args_overrider: tuple[CommandArgsOverrider, ...] = ()
    env_overrider: tuple[EnvOverrider, ...] = ()
    labels_overrider: tuple[LabelAnnotationOverrider, ...] = ()
    annotations_overrider: tuple[LabelAnnotationOverrider, ...] = ()
    field_overrider: tuple[FieldOverrider, ...] = ()
    plaintext: tuple[PlaintextOverrider, ...] = ()


class RuleWithCluster(Strict, frozen=True, kw_only=True):
    target_cluster: ClusterAffinity | None = None
    overriders: Overriders = Overriders()


class OverrideSpec(Strict, frozen=True, kw_only=True):
    resource_selectors: tuple[ResourceSelector, ...] = ()
    override_rules: tuple[RuleWithCluster, ...] = ()
    target_cluster: ClusterAffinity | None = None
    overriders: Overriders | None = None


class OverridePolicy(Strict, frozen=True, kw_only=True):
    """A03 and, with an empty namespace, A04 (ClusterOverridePolicy). Written by users, read by override-renderer."""

    api_version: str = "policy.karmada.io/v1alpha1"
    kind: str = "OverridePolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: OverrideSpec = OverrideSpec()
