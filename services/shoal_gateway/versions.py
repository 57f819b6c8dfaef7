"""The order of an application's versions: same, newer, older, or not to be told."""

from __future__ import annotations

import enum
import re

_FORM = re.compile(r"^[vV]?(\d+(?:[._]\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$")


class Order(enum.StrEnum):
    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    UNKNOWN = "unknown"
    """One of them is no number and no semantic version (a commit hash, a word); only equality can be told."""


_Key = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def key_of(version: str) -> _Key | None:
    """What orders a version: `42`, `v1.2.3`, `2026.11.24`, `1.2.0-rc.1`; None when it is none of these."""
    found = _FORM.match(version)
    if found is None:
        return None
    numbers = [int(part) for part in re.split(r"[._]", found[1])]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()  # 1.2 and 1.2.0 are the same release.
    parts = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (found[2] or "").split(".") if part)
    # A release is newer than its own pre-releases; numeric parts are older than words (semver.org, rule 11).
    return tuple(numbers), not parts, parts


def compare(live: str, wanted: str) -> Order:
    """How `wanted` stands to `live`. An empty version takes no part in the order: it is `UNKNOWN` beside any other."""
    if live == wanted:
        return Order.SAME
    before, after = key_of(live), key_of(wanted)
    if before is None or after is None:
        return Order.UNKNOWN
    if before == after:
        return Order.SAME
    return Order.NEWER if after > before else Order.OLDER
