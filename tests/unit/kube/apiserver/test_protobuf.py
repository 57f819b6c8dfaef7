"""`protobuf.py`: bodies as typed clients send them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.protobuf import DEPTH_MAX, VALUES_MAX, duration_text, from_protobuf
from support.apiserver import CONFIG_MAPS, Client


def field(number: int, value: int | str | bytes) -> bytes:
    """One field on the wire."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def entry(key: str, value: str) -> bytes:
    return field(1, key) + field(2, value)


CONFIG_MAP = enveloped("v1", "ConfigMap", field(1, field(1, "a") + field(3, "")) + field(2, entry("x", "1")) + field(2, entry("y", "")))


def test_an_object_is_read() -> None:
    assert from_protobuf(CONFIG_MAP) == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": ""}}


def test_zeros_of_pointers_are_meant_and_others_are_not() -> None:
    spec = field(1, 0) + field(5, 0)  # replicas is a pointer, minReadySeconds is none.
    assert from_protobuf(enveloped("apps/v1", "Deployment", field(2, spec)))["spec"] == {"replicas": 0}


def test_fields_in_line_times_and_quantities() -> None:
    reference = field(1, field(1, "settings")) + field(2, "key")
    container = (
        field(1, "c")
        + field(7, field(1, "E") + field(3, field(3, reference)))
        + field(8, field(1, field(1, "cpu") + field(2, field(1, "100m"))))
    )
    metadata = field(1, "p") + field(8, field(1, 1_767_225_600))
    pod = from_protobuf(enveloped("v1", "Pod", field(1, metadata) + field(2, field(2, container))))
    assert pod["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    shown = pod["spec"]["containers"][0]
    assert shown["env"] == [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "key"}}}]
    assert shown["resources"] == {"limits": {"cpu": "100m"}}


def test_ports_by_number_and_name() -> None:
    port = field(1, "http") + field(3, 80) + field(4, field(1, 0) + field(2, 8080))
    named = field(3, 81) + field(4, field(1, 1) + field(3, "admin"))
    service = from_protobuf(enveloped("v1", "Service", field(2, field(1, port) + field(1, named))))
    assert [one["targetPort"] for one in service["spec"]["ports"]] == [8080, "admin"]


META = field(1, "x")


def test_lists_of_numbers_may_be_packed() -> None:
    security = field(4, _varint(5) + _varint(7))  # supplementalGroups
    pod = from_protobuf(enveloped("v1", "Pod", field(2, field(14, security))))
    assert pod["spec"]["securityContext"]["supplementalGroups"] == [5, 7]


def test_negative_numbers() -> None:
    deployment = from_protobuf(enveloped("apps/v1", "Deployment", field(2, field(1, (1 << 64) - 3))))
    assert deployment["spec"]["replicas"] == -3


def test_bytes_become_base64() -> None:
    secret = from_protobuf(enveloped("v1", "Secret", field(2, field(1, "a") + field(2, b"\x00\xff")) + field(3, "Opaque")))
    assert (secret["data"], secret["type"]) == ({"a": "AP8="}, "Opaque")


def test_a_message_in_parts_is_merged_and_the_last_value_counts() -> None:
    deployment = from_protobuf(enveloped("apps/v1", "Deployment", field(2, field(1, 1)) + field(2, field(1, 2) + field(7, 1))))
    assert deployment["spec"] == {"replicas": 2, "paused": True}


def test_unknown_fields_are_passed_over() -> None:
    assert from_protobuf(enveloped("v1", "ConfigMap", field(1, META) + field(99, "new")))["metadata"] == {"name": "x"}


def test_json_within_protobuf_and_values_of_either_type() -> None:
    items = field(1, field(5, "string"))  # A schema for all items, or one for each.
    schema = field(5, "object") + field(8, field(1, b'{"a":1}')) + field(24, items)
    version = field(1, "v1") + field(4, field(1, schema))
    definition = from_protobuf(enveloped("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, version))))
    shown = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert (shown["default"], shown["items"]) == ({"a": 1}, {"type": "string"})


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0s"),
        (250_000_000, "250ms"),
        (1_500_000_000, "1.5s"),
        (3_600_000_000_000, "1h0m0s"),
        (-61_000_000_000, "-1m1s"),
        (1_500, "1.5µs"),
    ],
)
def test_durations_as_go_writes_them(nanos: int, text: str) -> None:
    assert duration_text(nanos) == text


def test_depth_has_a_limit() -> None:
    schema = b""
    for _ in range(DEPTH_MAX):
        schema = field(28, schema)  # `not`
    body = enveloped("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, field(4, field(1, schema)))))
    with pytest.raises(StatusError, match="exceeded max depth"):
        from_protobuf(body)


def test_the_number_of_fields_has_a_limit() -> None:
    with pytest.raises(StatusError, match="more than"):
        from_protobuf(enveloped("v1", "ConfigMap", field(4, 1) * (VALUES_MAX + 1)))


def code_of(body: bytes) -> int:
    """200, or the code of the refusal."""
    try:
        from_protobuf(body)
    except StatusError as error:
        return error.code
    return 200


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_never_more(rubbish: bytes) -> None:
    assert code_of(b"k8s\x00" + rubbish) in (200, 400)
    assert code_of(enveloped("v1", "Pod", rubbish)) in (200, 400)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"k8s\x00" + b"\xff" * 12, id="rubbish"),
        pytest.param(CONFIG_MAP[:-3], id="torn"),
        pytest.param(enveloped("v1", "Nothing", b""), id="unknown-kind"),
        pytest.param(enveloped("v1", "ConfigMap", field(1, 7)), id="number-for-message"),
        pytest.param(b"k8s\x00", id="empty"),
    ],
)
def test_broken_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        from_protobuf(body)
    assert refused.value.code == 400


async def test_through_the_door(api: Client) -> None:
    made = await api("POST", CONFIG_MAPS, CONFIG_MAP, type_="application/vnd.kubernetes.protobuf", code=201)
    assert made["data"] == {"x": "1", "y": ""}
    options = enveloped("v1", "DeleteOptions", field(2, field(1, "another-uid")))
    told = await api("DELETE", f"{CONFIG_MAPS}/a", options, type_="application/vnd.kubernetes.protobuf", code=409)
    assert "UID in the precondition (another-uid)" in told["message"]
