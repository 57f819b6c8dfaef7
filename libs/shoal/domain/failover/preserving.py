"""What the new copy has to know of the old one's state (R12.4): read from the status before the move, a label of the copy after it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shoal.api.binding import Removal, TargetCluster
from shoal.api.jsonpath import PathInvalid, value_at
from shoal.api.meta import Manifest
from shoal.api.policy import StatePreservationRule

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")


class NotPreserved(ValueError):
    """A rule finds nothing, or nothing that can be a label: the copy must not go yet."""


def preserved(rules: Iterable[StatePreservationRule], status: Manifest | None) -> dict[str, str]:
    """Label -> value of every rule. Raises `NotPreserved`."""
    found = {}
    for rule in rules:
        try:
            value = value_at(status or {}, rule.json_path)
        except (LookupError, PathInvalid) as error:
            raise NotPreserved(
                f"its status has nothing at {rule.json_path}, which is to be preserved as {rule.alias_label_name}"
            ) from error
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if not _LABEL_VALUE.match(text):
            raise NotPreserved(f"what its status has at {rule.json_path} cannot be a label: {text[:70]!r}")
        found[rule.alias_label_name] = text
    return found


def inherited(
    clusters: Sequence[TargetCluster], removals: Mapping[str, Removal], before: Sequence[TargetCluster]
) -> tuple[TargetCluster, ...]:
    """`clusters` with what their copies inherit; as long as an assignment lasts it keeps what it was given.

    Only a sole new copy inherits, of the last one that went before it (purge mode Directly), and only where the application was not
    running when that was decided.
    """
    last = max(removals.values(), key=lambda one: (one.since, one.epoch), default=None)
    inherits = last is not None and last.first and len(clusters) == 1 and clusters[0].name not in last.before
    gives = (last.preserved or None) if last is not None and inherits else None
    if gives is None and not any(target.preserved for target in before):
        return tuple(clusters)
    had = {(target.name, target.epoch): target.preserved for target in before}
    kept = ((target, had.get((target.name, target.epoch), gives)) for target in clusters)
    return tuple(msgspec.structs.replace(target, preserved=wanted) for target, wanted in kept)
