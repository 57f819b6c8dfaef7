"""Label and field selectors in their text form, as in `?labelSelector=` and `?fieldSelector=`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import bad_request

Predicate = Callable[[Manifest], bool]
_Labels = dict[str, str]

_SET_TERM = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL_TERM = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_COMPARE_TERM = re.compile(r"(?P<key>[^\s!=,()<>]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)")
_EXIST_TERM = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s!=,()<>]+)")
_COMMAS_OUTSIDE = re.compile(r",(?![^()]*\))")

_FIELDS: dict[tuple[str, str], dict[str, str]] = {
    ("", "Pod"): {
        "spec.nodeName": "",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "false",
        "status.phase": "",
        "status.podIP": "",
        "status.nominatedNodeName": "",
    },
    ("", "Event"): {
        "involvedObject.kind": "",
        "involvedObject.namespace": "",
        "involvedObject.name": "",
        "involvedObject.uid": "",
        "involvedObject.apiVersion": "",
        "involvedObject.resourceVersion": "",
        "involvedObject.fieldPath": "",
        "reason": "",
        "reportingComponent": "",
        "source": "",
        "type": "",
    },
    ("", "Namespace"): {"status.phase": ""},
    ("", "Node"): {"spec.unschedulable": "false"},
    ("", "Secret"): {"type": ""},
    ("", "Service"): {"spec.clusterIP": "", "spec.type": ""},
    ("", "ReplicationController"): {"status.replicas": "0"},
    ("apps", "ReplicaSet"): {"status.replicas": "0"},
    ("batch", "Job"): {"status.successful": ""},
    ("certificates.k8s.io", "CertificateSigningRequest"): {"spec.signerName": ""},
}
"""Fields beyond metadata.name and metadata.namespace that a kind can be selected by, with the text of a missing value."""


def label_selector(text: str) -> Predicate | None:
    """What `?labelSelector=` asks for; None when it asks for nothing. Raises a 400 for a text that is no selector."""
    terms = [term.strip() for term in _COMMAS_OUTSIDE.split(text) if term.strip()]
    if not terms:
        return None
    holds = [_label_term(term, text) for term in terms]

    def matches(object_: Manifest) -> bool:
        labels = object_["metadata"].get("labels") or {}
        return all(one(labels) for one in holds)

    return matches


def _label_term(term: str, text: str) -> Callable[[_Labels], bool]:
    if found := _SET_TERM.fullmatch(term):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        return (lambda labels: labels.get(key) in values) if found["op"] == "in" else (lambda labels: labels.get(key) not in values)
    if found := _EQUAL_TERM.fullmatch(term):
        key, value = found["key"], found["value"]
        return (lambda labels: labels.get(key) != value) if found["op"] == "!=" else (lambda labels: labels.get(key) == value)
    if found := _COMPARE_TERM.fullmatch(term):
        key, bound, above = found["key"], int(found["value"]), found["op"] == ">"
        return lambda labels: _is_beyond(labels.get(key), bound, above=above)
    if found := _EXIST_TERM.fullmatch(term):
        key = found["key"]
        return (lambda labels: key not in labels) if found["not"] else (lambda labels: key in labels)
    raise bad_request(f'unable to parse requirement: found "{term}" in "{text}"')


def _is_beyond(value: str | None, bound: int, *, above: bool) -> bool:
    if value is None or not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > bound if above else int(value) < bound


def field_selector(text: str, group: str, kind: str) -> Predicate | None:
    """What `?fieldSelector=` asks for; None when it asks for nothing. Raises a 400 for a field that this kind cannot be selected by."""
    terms = [term.strip() for term in text.split(",") if term.strip()]
    if not terms:
        return None
    known = {"metadata.name": "", "metadata.namespace": "", **_FIELDS.get((group, kind), {})}
    wanted: list[tuple[list[str], str, str, bool]] = []
    for term in terms:
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        if found[1] not in known:
            raise bad_request(f"field label not supported: {found[1]}")
        wanted.append((found[1].split("."), known[found[1]], found[3], found[2] != "!="))

    def matches(object_: Manifest) -> bool:
        return all((_text(object_, path, missing) == value) is equal for path, missing, value, equal in wanted)

    return matches


def _text(object_: Manifest, path: list[str], missing: str) -> str:
    value: Any = object_
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):  # An event's `source` is selected by its component.
        value = value.get("component")
    if isinstance(value, bool):
        return "true" if value else "false"
    return missing if value is None else str(value)


def both(one: Predicate | None, other: Predicate | None) -> Predicate | None:
    """The conjunction of two selections."""
    if one is None or other is None:
        return one or other
    return lambda object_: one(object_) and other(object_)


def selector_text(selector: dict[str, Any] | None) -> str:
    """A LabelSelector object in its text form, as the `scale` subresource shows it."""
    if not selector:
        return ""
    if not ({"matchLabels", "matchExpressions"} & set(selector)):
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        key, values = term["key"], ",".join(sorted(term.get("values") or ()))
        terms.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(term["operator"], f"!{key}"))
    return ",".join(terms)
