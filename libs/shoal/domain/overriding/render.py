"""Which rules speak of an object in a cluster, and in which order they are applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from shoal.api.meta import Manifest
from shoal.api.override import ENTRIES_MAX, FieldOverrider, OverridePolicy, Overriders, RuleWithCluster
from shoal.api.selecting import ALL, Located, closest, cluster_matches
from shoal.api.work import AppliedOverride
from shoal.domain.overriding.command_args import apply_args, apply_command
from shoal.domain.overriding.env import apply_env
from shoal.domain.overriding.failed import OverrideFailed, Unusable
from shoal.domain.overriding.field import MAX_TEXT_PER_OBJECT, apply_field, text_length
from shoal.domain.overriding.image import apply_image
from shoal.domain.overriding.labels_annotations import apply_annotations, apply_labels
from shoal.domain.overriding.plaintext import apply_plaintext

CLUSTER_KIND = "ClusterOverridePolicy"

_ORDER: tuple[tuple[str, str, Callable[[Manifest, Any], Manifest]], ...] = (
    ("image_overrider", "imageOverrider", apply_image),
    ("command_overrider", "commandOverrider", apply_command),
    ("args_overrider", "argsOverrider", apply_args),
    ("env_overrider", "envOverrider", apply_env),
    ("labels_overrider", "labelsOverrider", apply_labels),
    ("annotations_overrider", "annotationsOverrider", apply_annotations),
    ("field_overrider", "fieldOverrider", apply_field),
    ("plaintext", "plaintext", apply_plaintext),
)
"""R5.5: attribute, name that users know, function."""


class Overridden(NamedTuple):
    manifest: Manifest
    applied: tuple[AppliedOverride, ...]
    """One for every rule that spoke of this cluster, in the order of application (R5.7)."""


def override(manifest: Manifest, cluster: Located, policies: Iterable[OverridePolicy]) -> Overridden:
    """The manifest as it should be in one cluster.

    Cluster policies come first, then those of the object's namespace, which are matched against what the cluster policies made of it (R5.1,
    R5.2). Raises `OverrideFailed` when any overrider cannot be applied (R5.6).
    """
    everything = tuple(policies)
    namespace = manifest.get("metadata", {}).get("namespace") or ""
    wide = [policy for policy in everything if policy.kind == CLUSTER_KIND]
    near = [policy for policy in everything if policy.kind != CLUSTER_KIND and namespace and policy.metadata.namespace == namespace]
    applied: list[AppliedOverride] = []
    parsed = 0
    for group in (wide, near):
        for policy in _in_order(group, manifest):
            for number, rule in enumerate(_rules(policy), 1):
                if cluster_matches(rule.target_cluster, cluster):
                    manifest, parsed = _apply(manifest, rule.overriders, f"{_name(policy)}, rule {number}", parsed)
                    applied.append(_applied(policy, rule.overriders))
    return Overridden(manifest, tuple(applied))


def _applied(policy: OverridePolicy, overriders: Overriders) -> AppliedOverride:
    """As users wrote it; through JSON, so that a record made now equals one that was read back."""
    record: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(overriders))
    return AppliedOverride(policy=_name(policy), generation=policy.metadata.generation, overriders=record)


def _in_order(policies: list[OverridePolicy], manifest: Manifest) -> list[OverridePolicy]:
    """Those that speak of the object, the least specific first and then by name: the last one wins (R5.3)."""
    ranked = []
    for policy in policies:
        selectors = policy.spec.resource_selectors
        rank = closest(selectors, manifest) if selectors else ALL
        if rank:
            ranked.append((rank, policy.metadata.name, policy))
    return [policy for _, _, policy in sorted(ranked, key=lambda entry: entry[:2])]


def _rules(policy: OverridePolicy) -> Iterator[RuleWithCluster]:
    """The list of rules; the older form with one rule counts when there is no list (R5.4, G02)."""
    spec = policy.spec
    if spec.override_rules:
        yield from spec.override_rules
    elif spec.overriders is not None:
        yield RuleWithCluster(target_cluster=spec.target_cluster, overriders=spec.overriders)


def _name(policy: OverridePolicy) -> str:
    return "/".join(part for part in (policy.kind, policy.metadata.namespace, policy.metadata.name) if part)


def _apply(manifest: Manifest, overriders: Overriders, where: str, parsed: int) -> tuple[Manifest, int]:
    """One rule's edits, and how many characters of text inside fields were parsed so far."""
    for attribute, name, function in _ORDER:
        entries: tuple[Any, ...] = getattr(overriders, attribute)
        if len(entries) > ENTRIES_MAX:
            raise OverrideFailed(f"{where}, {name}: {len(entries)} entries are more than the limit of {ENTRIES_MAX}")
        for position, entry in enumerate(entries):
            try:
                if isinstance(entry, FieldOverrider) and (parsed := parsed + text_length(manifest, entry)) > MAX_TEXT_PER_OBJECT:
                    raise Unusable(f"the texts edited in this object are longer than {MAX_TEXT_PER_OBJECT} characters in all")
                manifest = function(manifest, entry)
            except Unusable as wrong:
                raise OverrideFailed(f"{where}, {name}[{position}]: {wrong}") from wrong
    return manifest, parsed
