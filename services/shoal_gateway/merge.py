"""One shown object out of several families, and back: what a user sees of an object, and what of a write is the user's.

Pure. The object entry holds what users wrote; aggregated status and beliefs are laid over it when it is read, and taken away when it comes
back in a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shoal.api import cluster
from shoal.api.cluster import Taint
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import APPLICATION_LABEL
from shoal.api.status import Belief

_NEUTRAL_METADATA = ("managedFields", "resourceVersion", "generation", "selfLink")
"""Metadata that changes without anybody changing the object's content."""


def shown(own: Manifest, *, status: Manifest | None = None, belief: Belief | None = None) -> Manifest:
    """The object as users see it. `status` is the aggregated one (None: the object's own counts); `belief` that of a Cluster."""
    out = own
    if status is not None:
        out = {**out, "status": status}
    if belief is not None:
        known = msgspec.to_builtins(belief.status)
        told = own.get("status") or {}
        out = {**out, "status": {**told, **known, "conditions": _conditions(told, known)}}
        added = _held(own.get("spec") or {}, belief.taints)
        if added:
            spec = own.get("spec") or {}
            out["spec"] = {**spec, "taints": [*(spec.get("taints") or ()), *map(_shown_taint, added)]}
    return out


def _conditions(told: Manifest, known: Manifest) -> list[Any]:
    """The belief's, and those of other types that somebody wrote into the Cluster's status."""
    own = [*known.get("conditions", ())]
    types = {one["type"] for one in own}
    return own + [one for one in told.get("conditions") or () if one.get("type") not in types]


def _held(spec: dict[str, Any], taints: Sequence[Taint]) -> list[Taint]:
    """Taints of the belief that the user's own list does not have; a taint is the same when key and effect are (R10.6)."""
    own = {_taint_key(one) for one in spec.get("taints") or () if isinstance(one, dict)}
    return [taint for taint in taints if (taint.key, taint.effect) not in own]


def _shown_taint(taint: Taint) -> dict[str, Any]:
    """With its effect, which the struct leaves out where it is the default."""
    return {"effect": taint.effect, **msgspec.to_builtins(taint)}


def _taint_key(taint: dict[str, Any]) -> tuple[Any, Any]:
    return taint.get("key"), taint.get("effect", "NoSchedule")


def owned(new: Manifest, stored: Manifest | None, *, belief: Belief | None = None, keep_status: bool = True) -> Manifest:
    """What of a written object is the user's: aggregated status and a belief's taints are taken away again.

    `stored` is the object entry's own body, None for a new object (its status is the one that its kind begins with). `keep_status` True
    keeps the entry's own status, whatever came back; False is a write of `/status`, or of a kind that has no such subresource.
    """
    out = dict(new)
    if keep_status and stored is not None:
        out.pop("status", None)
        if "status" in stored:
            out["status"] = stored["status"]
    out["metadata"] = {key: value for key, value in new["metadata"].items() if key != "resourceVersion"}
    if belief is not None and isinstance(new.get("spec"), dict) and new["spec"].get("taints"):
        out["spec"] = without_held(new["spec"], (stored or {}).get("spec") or {}, belief.taints)
    return out


def without_held(spec: dict[str, Any], stored: dict[str, Any], held: Sequence[Taint]) -> dict[str, Any]:
    """A Cluster's spec without the taints that a belief holds and the stored spec does not have itself."""
    own = {_taint_key(one) for one in stored.get("taints") or () if isinstance(one, dict)}
    ours = {(taint.key, taint.effect): taint.value for taint in held}
    kept = [
        one
        for one in spec["taints"]
        if _taint_key(one) in own or _taint_key(one) not in ours or one.get("value", "") != ours[_taint_key(one)]
    ]
    out = {key: value for key, value in spec.items() if key != "taints"}
    if kept:
        out["taints"] = kept
    return out


def same_content(one: Manifest, other: Manifest) -> bool:
    """True when at most status and neutral metadata differ: the content revision stays."""
    return _content(one) == _content(other)


def _content(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _NEUTRAL_METADATA}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}


def same_but_times(one: Manifest, other: Manifest) -> bool:
    """True when nothing differs but the times of field managers: such a write is not worth storing."""
    return _timeless(one) == _timeless(other)


def _timeless(manifest: Manifest) -> Manifest:
    metadata = dict(manifest["metadata"])
    metadata.pop("resourceVersion", None)
    if metadata.get("managedFields"):
        metadata["managedFields"] = [{**entry, "time": ""} for entry in metadata["managedFields"]]
    return {**manifest, "metadata": metadata}


def application_of(labels: dict[str, str], ref: Ref) -> str:
    """The application that an object belongs to: a label, else the object alone."""
    for name in (APPLICATION_LABEL, "app.kubernetes.io/part-of", "app.kubernetes.io/instance"):
        if labels.get(name):
            return labels[name]
    return ref.name


def is_cluster(ref: Ref) -> bool:
    return ref.group == cluster.GROUP and ref.kind == cluster.KIND
