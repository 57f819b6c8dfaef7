"""Binding pods: by JSON, by the protobuf of the real scheduler, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shoal.api.meta import Manifest
from shoal.kube.simulated.binding import with_binding
from shoal.kube.wire import Request

Run = Callable[..., Any]
Make = Callable[..., Manifest]


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field of a protobuf message; short contents only."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def protobuf(node: bytes) -> bytes:
    """As the real scheduler sends it: Unknown{typeMeta, raw: Binding{metadata, target: ObjectReference{kind, name}}, ...}."""
    binding = field(1, field(1, b"web")) + field(2, field(1, b"Node") + field(3, node))
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, b"Binding")) + field(2, binding) + field(3, b"") + field(4, b"")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"kind": "Binding", "target": {"kind": "Node", "name": "theirs"}}', id="json"),
        pytest.param(protobuf(b"theirs"), id="protobuf"),
    ],
)
def test_a_pod_is_bound_once(simulate: Run, make: Make, body: bytes) -> None:
    async def scenario(member: Any) -> None:
        handle = with_binding(member.server.handle, member.cluster.world)
        await member.apply(make(replicas=1))
        await member.settle()
        path = f"/api/v1/namespaces/default/pods/{member.list('Pod')[0]['metadata']['name']}/binding"
        answers = [await handle(Request(method="POST", path=path, body=body)) for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 409]
        assert b"already assigned" in answers[1].body
        pod = member.list("Pod")[0]
        assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("theirs", "Pending")
        assert [(one["type"], one["status"]) for one in pod["status"]["conditions"]] == [("PodScheduled", "True")]

    simulate(scenario, nodes=0)


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        pytest.param("missing", protobuf(b"theirs"), 404, id="no-such-pod"),
        pytest.param("pod", b"{}", 422, id="no-node"),
        pytest.param("pod", b"no json", 400, id="rubbish"),
        pytest.param("pod", b"k8s\0\xff\xff", 400, id="torn-protobuf"),
        pytest.param("pod", b"k8s\0\x12\x7f", 400, id="short-protobuf"),
        pytest.param("pod", b"k8s\0\x08\x01", 400, id="protobuf-of-something-else"),
    ],
)
def test_refusals(simulate: Run, name: str, body: bytes, code: int) -> None:
    async def scenario(member: Any) -> None:
        handle = with_binding(member.server.handle, member.cluster.world)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": "default"}}
        await member.api.create({**pod, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
        answer = await handle(Request(method="POST", path=f"/api/v1/namespaces/default/pods/{name}/binding", body=body))
        assert (answer.status, msgspec.json.decode(answer.body)["code"]) == (code, code)

    simulate(scenario, nodes=0)


def test_everything_else_goes_to_the_api_server(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        handle = with_binding(member.server.handle, member.cluster.world)
        assert (await handle(Request(method="GET", path="/api/v1/namespaces/default"))).status == 200

    simulate(scenario)
