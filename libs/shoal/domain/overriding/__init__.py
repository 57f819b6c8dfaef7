"""What is different in one cluster: override policies applied to a manifest.

Belongs here: one file per overrider, each a function from a manifest to a manifest, and `render`, which says which rules in which order.
Does not belong here: which cluster gets the object, its replicas, its marks. Manifests that come in are never changed.
"""

from __future__ import annotations

from shoal.domain.overriding.failed import OverrideFailed
from shoal.domain.overriding.render import Overridden, override

__all__ = ["Overridden", "OverrideFailed", "override"]
