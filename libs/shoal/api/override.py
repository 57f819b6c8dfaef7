"""Karmada's override policies (`policy.karmada.io/v1alpha1`), and what Shoal adds to them.

What Shoal adds is an optional field with a default, or an operator that Karmada does not know: a policy written for Karmada means here what it
means there. Added: `envOverrider`, `scope`, `keepDigest`, `path` of labels and annotations, `encoding`, and the operators `replace` and
`overwrite` of command and args.
"""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict
from shoal.api.policy import ClusterAffinity, ResourceSelector

CONTAINERS = "Containers"
ALL_CONTAINERS = "AllContainers"
BASE64 = "base64"

POINTER_MAX = 2048
"""Characters of a path."""
POINTER_STEPS_MAX = 64
"""A real path has about ten steps; these stop a policy from costing more than it can mean."""
ENTRIES_MAX = 1000
"""Overriders of one kind in one rule; a policy with more is a mistake or an attack."""


class ImagePredicate(Strict, frozen=True, kw_only=True):
    path: str


class ImageOverrider(Strict, frozen=True, kw_only=True):
    component: str
    """Registry, Repository or Tag."""
    operator: str
    """add, replace or remove."""
    value: str = ""
    predicate: ImagePredicate | None = None
    scope: str = CONTAINERS
    """Shoal's own (GX05). `Containers`: those of the kinds that Karmada knows (R5.9). `AllContainers`: also init and ephemeral containers, and
    those of every pod template in the object, whatever its kind."""
    keep_digest: bool = False
    """Shoal's own (GX06). An image with tag and digest keeps both; without it Karmada's rule drops the digest (R5.11)."""


class CommandArgsOverrider(Strict, frozen=True, kw_only=True):
    container_name: str
    operator: str
    """add or remove. Shoal's own (GX07): overwrite (the list becomes `value`), replace (only where there is a list)."""
    value: tuple[str, ...] = ()
    scope: str = CONTAINERS
    """As for images."""


class LabelAnnotationOverrider(Strict, frozen=True, kw_only=True):
    operator: str
    value: dict[str, str] = {}
    path: str = ""
    """Shoal's own (GX08): JSON pointer to the map that is edited, such as `/spec/template/metadata/labels`; empty is the object's own."""


class EnvOverrider(Strict, frozen=True, kw_only=True):
    """Shoal's own (GX17): environment variables of one container. `value` holds whole entries as Kubernetes writes them."""

    container_name: str
    operator: str
    """add (sets or appends by name), replace (only where the name exists), remove (by name)."""
    value: tuple[dict[str, Any], ...] = ()
    scope: str = CONTAINERS
    """As for images."""


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
    encoding: str = ""
    """Shoal's own (GX19): `base64` decodes the text before it is edited and encodes it again, as a Secret's `data` needs."""


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
