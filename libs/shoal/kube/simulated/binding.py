"""`POST pods/<name>/binding`: how a scheduler puts a pod on a node. Only members have it, since the hub runs no pods."""

from __future__ import annotations

import re

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.answers import refusal
from shoal.kube.simulated.world import POD, World, condition
from shoal.kube.wire import Handler, Request, Response

_PROTOBUF = b"k8s\0"
"""What every protobuf body of Kubernetes begins with."""
_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/binding")


class _Target(msgspec.Struct, frozen=True):
    name: str = ""


class _Binding(msgspec.Struct, frozen=True):
    target: _Target = _Target()


def with_binding(handler: Handler, world: World) -> Handler:
    """The API server with this subresource in front of it."""

    async def handle(request: Request) -> Response:
        found = _PATH.fullmatch(request.path) if request.method == "POST" else None
        return await handler(request) if found is None else await _bind(world, Ref(*POD, found[1], found[2]), request)

    return handle


async def _bind(world: World, ref: Ref, request: Request) -> Response:
    try:
        node = _node_of(request.body)
    except (msgspec.MsgspecError, ValueError) as error:
        return refusal(400, "BadRequest", f"no binding: {error}")
    pod = world.read(ref)
    if pod is None:
        return refusal(404, "NotFound", f'pods "{ref.name}" not found')
    if not node:
        return refusal(422, "Invalid", "target.name: Required value")
    if bound := pod["spec"].get("nodeName"):
        return refusal(409, "Conflict", f'pod {ref.name} is already assigned to node "{bound}"')
    await world.update(_bound(pod, node, world.now()))
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Response(status=201, body=msgspec.json.encode(status))


def _node_of(body: bytes) -> str:
    """`target.name` of a Binding in JSON, or in the protobuf form that the real kube-scheduler sends unless it is told otherwise."""
    if not body.startswith(_PROTOBUF):
        return msgspec.json.decode(body, type=_Binding).target.name
    unknown = _fields(body[len(_PROTOBUF) :])  # runtime.Unknown: 2 is the object itself.
    binding = _fields(unknown.get(2, b""))  # v1.Binding: 2 is the target.
    return _fields(binding.get(2, b"")).get(3, b"").decode()  # v1.ObjectReference: 3 is the name.


def _fields(message: bytes) -> dict[int, bytes]:
    """Number -> content of the length-delimited fields of a protobuf message; a Binding has no others. Raises ValueError."""
    fields, at = dict[int, bytes](), 0
    while at < len(message):
        tag, at = _varint(message, at)
        length, at = _varint(message, at)
        if tag & 7 != 2 or at + length > len(message):
            raise ValueError("a field that a Binding does not have")
        fields[tag >> 3] = message[at : at + length]
        at += length
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """(the number, where the next one starts)."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")


def _bound(pod: Manifest, node: str, now: str) -> Manifest:
    status = pod.get("status") or {}
    scheduled = condition(status, "PodScheduled", "True", "", "", now)
    others = [one for one in status.get("conditions") or () if one["type"] != "PodScheduled"]
    conditions = [*others, {name: value for name, value in scheduled.items() if value}]
    return {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": {**status, "conditions": conditions}}
