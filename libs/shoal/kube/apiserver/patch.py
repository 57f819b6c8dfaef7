"""Three of the four patch types: JSON patch, merge patch, strategic merge patch. (The fourth, apply, is in `fields.py`.)

Each takes a freshly decoded object and may reuse its parts in the result.
"""

from __future__ import annotations

from typing import Any

import jsonpatch

from shoal.kube.apiserver.errors import StatusError, bad_request
from shoal.kube.apiserver.schema import ANY, Node
from shoal.kube.apiserver.store import decode, encode

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
OPERATIONS_MAX = 10_000
"""As the real server's limit of operations in one JSON patch."""


def patched(object_: dict[str, Any], patch: Any, media: str, node: Node) -> Any:
    """One of the three by its content type. Raises what they raise."""
    if media == JSON_PATCH:
        return json_patch(object_, patch)
    if media == MERGE_PATCH:
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: a merge patch must be an object")
        return decode(encode(merge_patch(object_, patch)))
    return decode(encode(strategic_merge_patch(object_, patch, node)))


def json_patch(object_: dict[str, Any], operations: Any) -> Any:
    """RFC 6902. Raises a 400 for a text that is no patch, a 422 for one that does not fit the object."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > OPERATIONS_MAX:
        message = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", message)
    try:
        return jsonpatch.JsonPatch(operations).apply(object_, in_place=True)
    except jsonpatch.JsonPatchTestFailed as error:
        raise StatusError(
            422, "Invalid", f"the server rejected our request due to an error in our request: testing value failed: {error}"
        ) from error
    except (jsonpatch.JsonPatchConflict, jsonpatch.JsonPointerException) as error:
        raise StatusError(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from error
    except (jsonpatch.InvalidJsonPatch, TypeError, KeyError, AttributeError) as error:
        raise bad_request(f"error decoding patch: {error}") from error


def merge_patch(object_: Any, patch: Any) -> Any:
    """RFC 7386: maps are merged, null deletes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(object_) if isinstance(object_, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


_ORDER = "$setElementOrder/"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"
_DIRECTIVE = "$patch"


def strategic_merge_patch(object_: Any, patch: Any, node: Node) -> Any:
    """Kubernetes' own merge: lists with a merge key are merged by it, and directives delete, replace or order. Raises a 400 for a
    patch whose directives make no sense."""
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a strategic merge patch must be an object")
    return _merge_object(object_ if isinstance(object_, dict) else {}, patch, node)


def _merge_object(live: dict[str, Any], patch: dict[str, Any], node: Node) -> dict[str, Any] | None:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"error decoding patch: unknown $patch type: {directive}")
    out = dict(live)
    if _RETAIN in patch:
        kept = set(patch[_RETAIN])
        out = {key: value for key, value in out.items() if key in kept}
    _delete_from_primitive_lists(out, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            out.pop(key, None)
            continue
        child = node.child(key) or ANY
        order = patch.get(_ORDER + key)
        merged = _merge_value(out.get(key), value, child, order)
        if merged is None:
            out.pop(key, None)
        else:
            out[key] = merged
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name not in patch and isinstance(out.get(name), list):
            out[name] = _ordered(out[name], order, live.get(name) or [], node.child(name) or ANY)
    return out


def _delete_from_primitive_lists(out: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, values in patch.items():
        if key.startswith(_DELETE_FROM):
            name = key.removeprefix(_DELETE_FROM)
            if isinstance(out.get(name), list):
                out[name] = [value for value in out[name] if value not in values]


def _merge_value(live: Any, patch: Any, node: Node, order: list[Any] | None) -> Any:
    if isinstance(patch, dict):
        return _merge_object(live if isinstance(live, dict) else {}, patch, node)
    if isinstance(patch, list) and (node.merge_key is not None or node.primitive_merge):
        before = live if isinstance(live, list) else []
        added = [value for value in patch if value not in before] if node.merge_key is None else []
        merged = [*before, *added] if node.merge_key is None else _merge_items(before, patch, node)
        return _ordered(merged, patch if order is None else order, before, node)
    return patch


def _merge_items(live: list[Any], patch: list[Any], node: Node) -> list[Any]:
    """Merges a list of objects by its merge key."""
    key = node.merge_key
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item)]
    out = list(live)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"error decoding patch: map: {item} does not contain declared merge key: {key}")
        index = next((at for at, one in enumerate(out) if isinstance(one, dict) and one.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            out = [one for one in out if not (isinstance(one, dict) and one.get(key) == item[key])]
        elif index is None:
            out.append(_merge_object({}, item, node.item))
        else:
            out[index] = _merge_object(out[index], item, node.item)
    return out


def _ordered(items: list[Any], wanted: Any, before: list[Any], node: Node) -> list[Any]:
    """Items that `wanted` names come in that order; the others keep the order they had among themselves (`before`), and go in front of the
    first named one that they stood in front of."""
    if not isinstance(wanted, list):
        raise bad_request("error decoding patch: $setElementOrder must be a list")
    key = node.merge_key

    def name(item: Any) -> str:
        return str(item.get(key) if key is not None and isinstance(item, dict) else item)

    rank = {name(one): at for at, one in enumerate(wanted)}
    stood = {name(one): at for at, one in enumerate(before)}
    named = sorted((item for item in items if name(item) in rank), key=lambda item: rank[name(item)])
    others = sorted((item for item in items if name(item) not in rank), key=lambda item: stood.get(name(item), len(stood)))
    out: list[Any] = []
    while named and others:
        left, right = stood.get(name(others[0])), stood.get(name(named[0]))
        in_front = left is not None and right is not None and left < right
        out.append(others.pop(0) if in_front else named.pop(0))
    return [*out, *named, *others]
