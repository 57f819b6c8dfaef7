"""From a template, its binding and the overrides to the exact manifest for one cluster (a Work).

Belongs here: the order of the steps (R5.1), our marks (R6.6), what counts as equal content, tombstones, and the names that Works have. Does
not belong here: how single kinds are read and how overriders edit. This package composes `interpreting` and `overriding`;
`docs/decisions/0002-one-composition-of-decisions.md` names the packages that may.
"""

from __future__ import annotations

from shoal.domain.rendering.marks import conflict_of
from shoal.domain.rendering.names import binding_name, execution_namespace, work_name
from shoal.domain.rendering.render import failed, render, same_content, tombstone

__all__ = [
    "binding_name",
    "conflict_of",
    "execution_namespace",
    "failed",
    "render",
    "same_content",
    "tombstone",
    "work_name",
]
