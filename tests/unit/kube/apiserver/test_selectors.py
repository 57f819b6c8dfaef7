"""`selectors.py`: label and field selectors in their text form."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.selectors import field_selector, label_selector, selector_text


@pytest.mark.parametrize(
    ("selector", "labels", "holds"),
    [
        pytest.param("a=b", {"a": "b"}, True, id="equal"),
        pytest.param("a==b", {"a": "c"}, False, id="double-equal"),
        pytest.param("a!=b", {}, True, id="not-equal-holds-without-the-label"),
        pytest.param("a", {"a": ""}, True, id="exists"),
        pytest.param("!a", {"a": ""}, False, id="does-not-exist"),
        pytest.param("a in (b, c)", {"a": "c"}, True, id="in"),
        pytest.param("a notin (b,c)", {}, True, id="notin-holds-without-the-label"),
        pytest.param("a in (b,c),d=e", {"a": "b", "d": "e"}, True, id="comma-inside-and-outside"),
        pytest.param("a=b,c", {"a": "b"}, False, id="all-must-hold"),
        pytest.param("a>3", {"a": "4"}, True, id="greater"),
        pytest.param("a<3", {"a": "x"}, False, id="less-than-no-number"),
        pytest.param("a=", {"a": ""}, True, id="empty-value"),
        pytest.param("example.org/a=b", {"example.org/a": "b"}, True, id="prefixed-key"),
    ],
)
def test_labels(selector: str, labels: dict[str, str], holds: bool) -> None:
    predicate = label_selector(selector)
    assert predicate is not None
    assert predicate({"metadata": {"labels": labels}}) is holds


@pytest.mark.parametrize("selector", ["a b c", "=b", "a in b", "a in (b"])
def test_no_selector(selector: str) -> None:
    with pytest.raises(StatusError, match="unable to parse") as refused:
        label_selector(selector)
    assert refused.value.code == 400


def test_empty_selectors_select_everything() -> None:
    assert label_selector("") is None
    assert field_selector("", "", "Pod") is None


POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        pytest.param("metadata.name=p", True, id="name"),
        pytest.param("metadata.namespace!=n", False, id="namespace"),
        pytest.param("status.phase=Running,spec.nodeName=n1", True, id="two"),
        pytest.param("spec.hostNetwork=false", True, id="missing-has-its-zero"),
        pytest.param("status.podIP=", True, id="missing-is-empty"),
    ],
)
def test_fields(selector: str, holds: bool) -> None:
    predicate = field_selector(selector, "", "Pod")
    assert predicate is not None
    assert predicate(POD) is holds


def test_an_event_is_selected_by_its_source() -> None:
    predicate = field_selector("source=kubelet,involvedObject.kind=Pod", "", "Event")
    assert predicate is not None
    assert predicate({"metadata": {"name": "e"}, "source": {"component": "kubelet"}, "involvedObject": {"kind": "Pod"}})


@pytest.mark.parametrize("selector", ["data.x=1", "metadata.uid=1", "nonsense"])
def test_unknown_fields_are_refused(selector: str) -> None:
    with pytest.raises(StatusError):
        field_selector(selector, "", "ConfigMap")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2", id="labels-sorted"),
        pytest.param({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}, "a in (x,y)", id="in"),
        pytest.param({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a", id="not"),
        pytest.param({"a": "1"}, "a=1", id="plain-map"),
        pytest.param(None, "", id="none"),
    ],
)
def test_text_of_a_selector(selector: dict[str, Any] | None, text: str) -> None:
    assert selector_text(selector) == text
