"""The reflector when a server misbehaves: lost versions, silence, closed watches, kinds that are not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from shoal.api.errors import DependencyMissing, MemberUnavailable
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.reflector import Reflector
from shoal.kube.wire import Request, Response
from support.virtual import VirtualClock

CONFIG_MAP = Kind("", "ConfigMap")
Run = Callable[..., Any]


def item(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version)}, **more}


def event(type_: str, name: str, version: int, **more: Any) -> bytes:
    object_ = {"apiVersion": "v1", "kind": "ConfigMap", **item(name, version, **more)}
    return msgspec.json.encode({"type": type_, "object": object_}) + b"\n"


def bookmark(version: int) -> bytes:
    return msgspec.json.encode({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}) + b"\n"


EXPIRED = msgspec.json.encode(
    {"type": "ERROR", "object": {"kind": "Status", "metadata": {}, "status": "Failure", "code": 410, "message": "too old resource version"}}
)
BROKEN = msgspec.json.encode({"type": "ERROR", "object": {"metadata": {}, "status": "Failure", "code": 500, "message": "etcd is away"}})


class Server:
    """Lists `items` at `version`; every watch plays the next of `watches` and then stays silent (or ends, where the play ends with None)."""

    def __init__(self, script: Any) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 10
        self.watches: list[list[bytes | None]] = []
        self.lists, self.since = 0, list[str]()
        self.refusal: Response | None = None
        """Answer to everything."""
        self.first_watch: Response | None = None
        """Answer to the next watch."""
        script.respond = self.respond

    def respond(self, request: Request) -> Response:
        if self.refusal is not None:
            return self.refusal
        if request.query.get("watch") != "true":
            self.lists += 1
            return Response(status=200, body=msgspec.json.encode({"metadata": {"resourceVersion": str(self.version)}, "items": self.items}))
        if self.first_watch is not None:
            refused, self.first_watch = self.first_watch, None
            return refused
        self.since.append(request.query["resourceVersion"])
        return Response(status=200, stream=self._play(self.watches.pop(0) if self.watches else []))

    async def _play(self, play: list[bytes | None]) -> AsyncIterator[bytes]:
        for chunk in play:
            if chunk is None:
                return
            yield chunk
        await asyncio.sleep(100_000)


class Told:
    def __init__(self, api: Api, clock: VirtualClock, *, silence_s: float = 1_000_000, whole: bool = False) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.manifests: list[Any] = []
        self.reflector = Reflector(api, CONFIG_MAP, on_event=self._note, clock=clock, silence_s=silence_s, whole=whole, chance=lambda: 0.5)

    def _note(self, type_: str, ref: Any, seen: Any) -> None:
        self.events.append((type_, ref.name, seen.resource_version))
        self.manifests.append(seen.manifest)

    async def during(self, seconds: float) -> None:
        """Runs the reflector for so long."""
        task = asyncio.create_task(self.reflector.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def server(script: Any) -> Server:
    return Server(script)


def test_list_then_watch(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.items = [item("a", 5), item("b", 6)]
    server.watches = [[event("MODIFIED", "a", 11) + event("ADDED", "c", 12), event("DELETED", "b", 13)]]
    told = Told(api, clock)
    run(told.during(5))
    assert told.events == [("ADDED", "a", "5"), ("ADDED", "b", "6"), ("MODIFIED", "a", "11"), ("ADDED", "c", "12"), ("DELETED", "b", "13")]
    assert sorted(ref.name for ref in told.reflector.seen) == ["a", "c"]
    assert (server.lists, server.since, told.reflector.synced.is_set()) == (1, ["10"], True)


def test_a_watch_that_ended_goes_on_where_it_was_bookmarks_included(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.watches = [[event("ADDED", "a", 11), None], [bookmark(40), None]]
    told = Told(api, clock)
    run(told.during(5))
    assert (server.lists, server.since) == (1, ["10", "11", "40"])
    assert told.events == [("ADDED", "a", "11")]


@pytest.mark.parametrize("how", ["event", "answer"])
def test_a_version_that_was_forgotten_means_a_new_list_and_what_vanished_is_told(
    api: Api, clock: VirtualClock, server: Server, run: Run, how: str
) -> None:
    server.items = [item("same", 5), item("gone", 6), item("changed", 7)]
    told = Told(api, clock)

    if how == "event":
        server.watches = [[EXPIRED + b"\n"]]
    else:
        server.first_watch = Response(status=410, body=b'{"kind": "Status", "code": 410, "message": "old"}')

    async def scenario() -> None:
        task = asyncio.create_task(told.during(60))
        await told.reflector.synced.wait()
        server.items, server.version = [item("same", 5), item("changed", 20), item("new", 21)], 30
        await task

    run(scenario())
    assert server.lists == 2
    assert told.events[3:] == [("DELETED", "gone", "6"), ("MODIFIED", "changed", "20"), ("ADDED", "new", "21")]
    assert server.since[-1] == "30"


def test_silence_opens_the_watch_again_without_a_new_list(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.watches = [[event("ADDED", "a", 11)], [bookmark(15)]]
    told = Told(api, clock, silence_s=90)
    run(told.during(200))
    assert (server.lists, server.since) == (1, ["10", "11", "15"])


def test_a_server_that_closes_at_once_is_not_hammered(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.watches = [[None]] * 1000
    told = Told(api, clock)
    run(told.during(300))
    assert 10 <= len(server.since) <= 30
    assert isinstance(told.reflector.failure, MemberUnavailable)
    assert server.lists == 1


@pytest.mark.parametrize(
    ("refusal", "at_most"),
    [
        pytest.param(Response(status=503), 25, id="unavailable"),
        pytest.param(Response(status=429, headers={"retry-after": "60"}), 6, id="asked-to-wait"),
    ],
)
def test_refusals_are_waited_out(
    api: Api, clock: VirtualClock, server: Server, run: Run, script: Any, refusal: Response, at_most: int
) -> None:
    server.refusal = refusal
    told = Told(api, clock)

    async def scenario() -> None:
        task = asyncio.create_task(told.during(400))
        await asyncio.sleep(300)
        assert 2 <= len(script.asked) <= at_most
        assert isinstance(told.reflector.failure, MemberUnavailable)
        assert not told.reflector.synced.is_set()
        server.refusal = None
        await asyncio.sleep(70)
        assert told.reflector.synced.is_set()
        assert told.reflector.failure is None
        await task

    run(scenario())


def test_an_error_event_is_waited_out_and_the_watch_goes_on(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.watches = [[event("ADDED", "a", 11), BROKEN + b"\n"], [event("MODIFIED", "a", 12)]]
    told = Told(api, clock)
    run(told.during(20))
    assert told.events == [("ADDED", "a", "11"), ("MODIFIED", "a", "12")]
    assert (server.lists, server.since) == (1, ["10", "11"])


def test_rubbish_in_a_watch_does_not_end_the_reflector(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.watches = [[b"<html>\n"], [event("ADDED", "a", 11)]]
    told = Told(api, clock)
    run(told.during(20))
    assert told.events == [("ADDED", "a", "11")]


def test_a_kind_that_is_not_served_is_asked_for_now_and_then(api: Api, clock: VirtualClock, script: Any, run: Run) -> None:
    reflector = Reflector(api, Kind("example.dev", "Toy"), on_event=lambda *_: None, clock=clock)

    async def scenario() -> None:
        task = asyncio.create_task(reflector.run())
        await asyncio.sleep(300)
        assert isinstance(reflector.failure, DependencyMissing)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
    assert 20 <= script.discoveries <= 90  # Two requests for each.


def test_what_is_kept_is_a_copy_of_the_status_and_not_the_object(api: Api, clock: VirtualClock, server: Server, run: Run) -> None:
    server.items = [item("a", 5, status={"phase": "Active"}, data={"big": "x" * 10_000})]
    server.watches = [[event("MODIFIED", "a", 11, status={"phase": "Ending"}, data={"big": "y"})]]
    told = Told(api, clock, whole=True)
    run(told.during(5))
    seen = next(iter(told.reflector.seen.values()))
    assert (msgspec.json.decode(seen.status), seen.manifest) == ({"phase": "Ending"}, None)
    assert [(manifest["kind"], len(manifest["data"]["big"])) for manifest in told.manifests] == [("ConfigMap", 10_000), ("ConfigMap", 1)]
