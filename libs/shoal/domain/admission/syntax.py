"""The spelling rules of Kubernetes that several kinds share: names, label keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shoal.domain.admission.violation import Violation

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
CLUSTER_NAME_MAX = 48
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")


def dns_label(text: str, most: int = 63) -> str:
    """What is wrong with a DNS label (RFC 1123); empty when nothing is."""
    if not text or len(text) > most or not _LABEL.match(text):
        return f"has to be 1 to {most} lower case letters, digits or '-', with a letter or digit at both ends"
    return ""


def subdomain(text: str) -> str:
    """What is wrong with a DNS subdomain; empty when nothing is."""
    if not text or len(text) > 253 or not _SUBDOMAIN.match(text):
        return "has to be 1 to 253 lower case letters, digits, '-' or '.', with a letter or digit at both ends of each part"
    return ""


def qualified_name(text: str) -> str:
    """What is wrong with a label key; empty when nothing is."""
    prefix, slash, name = text.rpartition("/")
    if slash and (wrong := subdomain(prefix)):
        return f"the part before '/' {wrong}"
    if not name or len(name) > 63 or not _QUALIFIED.match(name):
        return "the name part has to be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
    return ""


def label_value(text: str) -> str:
    """What is wrong with a label value; empty when nothing is. An empty value is legal."""
    if text and (len(text) > 63 or not _QUALIFIED.match(text)):
        return "has to be at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
    return ""


def check_labels(labels: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for key, value in labels.items():
        if wrong := qualified_name(key):
            yield Violation(f"{path}[{key}]", f"label key {wrong}")
        if not isinstance(value, str):
            yield Violation(f"{path}[{key}]", "label value has to be a text; put it in quotes")
        elif wrong := label_value(value):
            yield Violation(f"{path}[{key}]", f"label value {wrong}")


def check_annotations(annotations: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for key, value in annotations.items():
        if wrong := qualified_name(key.lower()):
            yield Violation(f"{path}[{key}]", f"annotation key {wrong}")
        if not isinstance(value, str):
            yield Violation(f"{path}[{key}]", "annotation value has to be a text; put it in quotes")


def check_cluster_name(name: str, path: str) -> Iterator[Violation]:
    """Names of clusters that do not exist yet are legal; names that none can have are not (AA16)."""
    if wrong := dns_label(name, CLUSTER_NAME_MAX):
        yield Violation(path, f"name of a cluster {wrong}")


def one_of(value: str, allowed: tuple[str, ...], path: str) -> Iterator[Violation]:
    """A word out of a list."""
    if value not in allowed:
        yield Violation(path, f"Unsupported value: {value!r}; write one of {', '.join(word for word in allowed if word)}")
