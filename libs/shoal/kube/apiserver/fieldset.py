"""Sets of field paths in the very form of `FieldsV1`, and the walks that make, merge and prune by them.

A set is a tree of path elements: `f:name` a field, `k:{"name":"a"}` an item of a map-list, `v:"x"` an item of a set. An element is a
member when its tree is empty or holds "."; else it is only the way to members below. Sets are never changed once made.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.kube.apiserver.errors import bad_request
from shoal.kube.apiserver.schema import Node

FieldSet = dict[str, Any]

_WHOLE: FieldSet = {"*": {}}
"""In a set to subtract: the element and everything below it."""

SYSTEM_METADATA = frozenset(
    (
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    )
)
"""Nobody owns these."""


def is_member(tree: FieldSet) -> bool:
    return not tree or "." in tree


def _tree(member: bool, children: FieldSet) -> FieldSet | None:
    """A tree from its two halves; None when nothing is in it."""
    if not children:
        return {} if member else None
    return {".": {}, **children} if member else children


def _children(tree: FieldSet) -> FieldSet:
    return {key: value for key, value in tree.items() if key != "."} if "." in tree else tree


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    if not one or not other:
        return one or other
    out = dict(one)
    for key, theirs in other.items():
        mine = out.get(key)
        if mine is None or mine == theirs:
            out[key] = theirs
        else:
            merged = union(_children(mine), _children(theirs))
            out[key] = _tree(is_member(mine) or is_member(theirs), merged) or {}
    return out


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members of `one` that are not members of `other`."""
    if not other or not one:
        return one
    out: FieldSet = {}
    for key, mine in one.items():
        theirs = other.get(key)
        if theirs is None:
            out[key] = mine
            continue
        if "*" in theirs:
            continue
        left = _tree(is_member(mine) and not is_member(theirs), difference(_children(mine), _children(theirs)))
        if left is not None:
            out[key] = left
    return out


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members that both sets have."""
    out: FieldSet = {}
    for key, mine in one.items():
        theirs = other.get(key)
        if theirs is not None:
            common = _tree(is_member(mine) and is_member(theirs), intersection(_children(mine), _children(theirs)))
            if common is not None:
                out[key] = common
    return out


def ordered(tree: FieldSet) -> FieldSet:
    """The same set with its keys sorted, as it is shown."""
    return {key: ordered(tree[key]) for key in sorted(tree)}


def element_of(node: Node, item: Any) -> str | None:
    """The path element of an item of a map-list or a set; None for an item without its key."""
    if node.is_set:
        return "v:" + msgspec.json.encode(item).decode()
    key = node.key_of(item)
    return None if key is None else "k:" + msgspec.json.encode(key).decode()


def of_value(value: Any, node: Node, *, new: bool = False) -> FieldSet:
    """The set of a value at a position: what a manager owns that applies it. With `new` (a value that appears by an update) every map and
    list on the way is a member too, as the real server records it."""
    if node.atomic or node.form == "scalar":
        return {}
    if isinstance(value, dict):
        return _of_object(value, node, new=new)
    if isinstance(value, list) and (node.keys or node.is_set):
        out: FieldSet = {}
        for item in value:
            element = element_of(node, item)
            if element is not None:
                inner = of_value(item, node.item, new=new) if node.keys else {}
                out[element] = {".": {}, **inner} if inner else {}
        return out
    return {}


def _of_object(value: dict[str, Any], node: Node, *, new: bool) -> FieldSet:
    out: FieldSet = {}
    for key, item in value.items():
        child = node.at(key)
        inner = of_value(item, child, new=new) if isinstance(item, (dict, list)) else {}
        if inner:
            itself = new or not node.declares(key)  # A value under a free key is always owned itself.
            out["f:" + key] = {".": {}, **inner} if itself and "." not in inner else inner
        elif not (item == [] and (child.keys or child.is_set)):
            out["f:" + key] = {}
    return out


def changes(old: Any, new: Any, node: Node) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed) between two values at a position. The removed set is only for subtracting."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    if isinstance(old, dict) and isinstance(new, dict):
        old_items = {"f:" + key: (value, node.at(key)) for key, value in old.items()}
        new_items = {"f:" + key: (value, node.at(key)) for key, value in new.items()}
    else:
        old_items, new_items = _items_by_element(old, node), _items_by_element(new, node)
    for element, (value, child) in new_items.items():
        before = old_items.get(element)
        if before is None:
            inner = of_value(value, child, new=True)
            changed[element] = {".": {}, **inner} if inner else inner
        elif before[0] != value:
            inner_changed, inner_removed = _difference_at(before[0], value, child)
            if inner_changed is not None:
                changed[element] = inner_changed
            if inner_removed:
                removed[element] = inner_removed
    for element in old_items.keys() - new_items.keys():
        removed[element] = _WHOLE
    return changed, removed


def _difference_at(old: Any, new: Any, node: Node) -> tuple[FieldSet | None, FieldSet]:
    """As `changes`, for a value that differs and may be owned as a whole: then changed is the empty tree. None when only removed."""
    if new is None:  # Emptied by `prune`.
        new = {} if isinstance(old, dict) else []
    same_shape = (isinstance(old, dict) and isinstance(new, dict) and node.form != "scalar") or (
        isinstance(old, list) and isinstance(new, list) and bool(node.keys or node.is_set)
    )
    if node.atomic or not same_shape:
        return {}, {}
    changed, removed = changes(old, new, node)
    return changed or None, removed


def _items_by_element(items: Any, node: Node) -> dict[str, tuple[Any, Node]]:
    out: dict[str, tuple[Any, Node]] = {}
    for item in items or ():
        element = element_of(node, item)
        if element is not None:
            out[element] = (item, node.item)
    return out


def merge(live: Any, applied: Any, node: Node) -> Any:
    """`applied` over `live` at a position, as an apply merges: maps by key, map-lists by their keys, sets by value, the rest replaced."""
    if node.atomic or live is None:
        return applied
    if isinstance(live, dict) and isinstance(applied, dict):
        out = dict(live)
        for key, value in applied.items():
            mine = live.get(key)
            out[key] = merge(mine, value, node.at(key)) if isinstance(value, (dict, list)) else value
        return out
    if isinstance(live, list) and isinstance(applied, list) and (node.keys or node.is_set):
        return _merge_lists(live, applied, node)
    return applied


def _merge_lists(live: list[Any], applied: list[Any], node: Node) -> list[Any]:
    """Shared items take the applied order; items that only live has keep their place between them."""
    mine = {element_of(node, item): item for item in live}
    theirs: dict[str | None, Any] = {element_of(node, item): item for item in applied}
    shared = [element for element in theirs if element in mine]
    out: list[Any] = []
    left, right = list(mine), list(theirs)

    def take(element: str | None) -> None:
        out.append(merge(mine.get(element), theirs[element], node.item))
        if shared and shared[0] == element:
            shared.pop(0)

    while left or right:
        if left and right and left[0] == right[0]:
            take(left.pop(0))
            right.pop(0)
        elif left and left[0] not in theirs:
            out.append(mine[left.pop(0)])
        elif left and right and shared and left[0] != shared[0]:
            left.pop(0)  # Shared, but its turn in the applied order comes elsewhere.
        elif right:
            take(right.pop(0))
        else:
            left.pop(0)
    return out


def prune(value: Any, last: FieldSet, managed: FieldSet, node: Node) -> Any:
    """Takes out of a merged value what its manager applied last time (`last`) and nobody manages now. None when nothing is left: a field that
    was emptied so is still there for `changes`, since its owners keep it; `without_nothing` takes it out."""
    if isinstance(value, dict):
        return _prune_object(value, last, managed, node)
    if isinstance(value, list) and (node.keys or node.is_set):
        kept: list[Any] = []
        for item in value:
            element = element_of(node, item)
            mine = last.get(element) if element is not None else None
            if mine is not None and element is not None:
                theirs = managed.get(element)
                if is_member(mine) and (theirs is None or not is_member(theirs)):
                    continue
                if node.keys and _children(mine):
                    item = prune(item, mine, theirs or {}, node.item)
            kept.append(item)
        return kept or None
    return value


def _prune_object(value: dict[str, Any], last: FieldSet, managed: FieldSet, node: Node) -> dict[str, Any] | None:
    out = dict(value)
    for element, mine in last.items():
        name = element[2:]
        if element[:2] != "f:" or name not in out:
            continue
        theirs = managed.get(element)
        declared = node.declares(name)  # A named field counts as a member as soon as something below it is.
        if (declared or is_member(mine)) and (theirs is None or not (declared or is_member(theirs))):
            del out[name]
        elif _children(mine):
            out[name] = prune(out[name], mine, theirs or {}, node.at(name))
    return out or (None if value else value)


def without_nothing(value: Any) -> Any:
    """The value without the fields that `prune` emptied."""
    if isinstance(value, dict):
        return {key: without_nothing(item) for key, item in value.items() if item is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def check_keys(value: Any, node: Node, path: str = "") -> None:
    """Refuses an applied value whose map-lists have items without their key or twice the same. Raises a 400."""
    if node.atomic or node.form == "scalar":
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                check_keys(item, node.at(key), f"{path}.{key}")
    elif isinstance(value, list) and (node.keys or node.is_set):
        seen: set[str] = set()
        for index, item in enumerate(value):
            element = element_of(node, item)
            if element is None:
                raise bad_request(
                    f"failed to create typed patch object: {path}: element {index}: associative list with keys has an element that "
                    f'omits key field "{node.keys[0]}"'
                )
            if element in seen:
                raise bad_request(f"failed to create typed patch object: {path}: duplicate entries for key {path_text((element,))}")
            seen.add(element)
            check_keys(item, node.item, path + path_text((element,)))


def paths(tree: FieldSet, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The members of a set as paths, sorted; at every level the members come before what is below."""
    elements = sorted(element for element in tree if element != ".")
    out = [(*before, element) for element in elements if is_member(tree[element])]
    for element in elements:
        out += paths(tree[element], (*before, element))
    return out


def path_text(path: tuple[str, ...]) -> str:
    """`.spec.containers[name="a"].image`, as conflicts name fields."""
    out = ""
    for element in path:
        kind, rest = element[:2], element[2:]
        if kind == "f:":
            out += "." + rest
        elif kind == "k:":
            keys = msgspec.json.decode(rest)
            out += "[" + ",".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in keys.items()) + "]"
        else:
            out += f"[={rest}]"
    return out
