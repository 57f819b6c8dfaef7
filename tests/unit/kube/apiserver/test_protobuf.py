"""`protobuf.py`: bodies as typed clients send them."""

from __future__ import annotations

import pytest

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.protobuf import from_protobuf
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
