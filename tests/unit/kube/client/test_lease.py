"""The agent's lease on virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shoal.api.meta import Manifest
from shoal.kube.client.api import Api
from shoal.kube.client.lease import AgentLease
from shoal.kube.wire import Request, Response
from support.virtual import VirtualClock

Run = Callable[..., Any]


class Stored:
    """One Lease with compare-and-set."""

    def __init__(self, script: Any) -> None:
        self.lease: Manifest | None = None
        self.version = 0
        self.meanwhile: Callable[[], None] = lambda: None
        script.respond = self.respond

    def write(self, lease: Manifest) -> None:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}

    def respond(self, request: Request) -> Response:
        if request.method == "GET":
            if self.lease is None:
                return refused(404, "NotFound")
            response = Response(status=200, body=msgspec.json.encode(self.lease))
            self.meanwhile()
            return response
        sent = msgspec.json.decode(request.body)
        expected = sent["metadata"].get("resourceVersion", "")
        if (request.method == "POST") == (self.lease is not None) or (request.method == "PUT" and expected != str(self.version)):
            return refused(409, "Conflict")
        self.write(sent)
        return Response(status=200, body=msgspec.json.encode(self.lease))


def refused(code: int, reason: str) -> Response:
    details = {"name": "shoal-agent", "kind": "leases"}
    return Response(status=code, body=msgspec.json.encode({"kind": "Status", "code": code, "reason": reason, "details": details}))


@pytest.fixture
def stored(script: Any) -> Stored:
    return Stored(script)


def test_a_second_agent_waits_until_the_first_has_been_silent(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        first, second = (AgentLease(api, clock, holder=name, duration_s=15) for name in ("first", "second"))
        assert await first.try_acquire()
        for _ in range(10):
            await clock.sleep(5)
            assert await first.try_acquire()
            assert not await second.try_acquire()
        await clock.sleep(14)
        assert not await second.try_acquire()
        await clock.sleep(2)
        assert await second.try_acquire()
        assert not await first.try_acquire()
        assert first.held_by == "second"
        assert stored.lease is not None
        assert stored.lease["spec"]["leaseTransitions"] == 1

    run(scenario())


def test_silence_is_judged_by_our_own_clock(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        spec = {"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": "1999-01-01T00:00:00.000000Z"}
        stored.write({"metadata": {"name": "shoal-agent", "namespace": "shoal-system"}, "spec": spec})
        lease = AgentLease(api, clock, holder="me", duration_s=15)
        assert not await lease.try_acquire()  # Its time looks old, but its holder may live on a machine with a wrong clock.
        await clock.sleep(15)
        assert await lease.try_acquire()

    run(scenario())


def test_a_restarted_agent_takes_its_own_lease_back_at_once(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        assert await AgentLease(api, clock, holder="me").try_acquire()
        assert await AgentLease(api, clock, holder="me").try_acquire()

    run(scenario())


def test_whoever_writes_first_wins(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        first, second = AgentLease(api, clock, holder="first"), AgentLease(api, clock, holder="second")
        assert await first.try_acquire()
        await first.release()

        def interfere() -> None:
            stored.meanwhile = lambda: None
            assert stored.lease is not None
            stored.write({**stored.lease, "spec": {"holderIdentity": "third", "leaseDurationSeconds": 15}})

        stored.meanwhile = interfere
        assert not await second.try_acquire()
        assert not await second.try_acquire()
        assert second.held_by == "third"

    run(scenario())


def test_a_released_lease_is_free_and_a_foreign_one_is_not_released(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        first, second = AgentLease(api, clock, holder="first"), AgentLease(api, clock, holder="second")
        await first.release()
        assert await first.try_acquire()
        await second.release()
        assert not await second.try_acquire()
        await first.release()
        assert await second.try_acquire()

    run(scenario())


def test_waiting_ends_when_the_lease_is_free(api: Api, clock: VirtualClock, stored: Stored, run: Run) -> None:
    async def scenario() -> None:
        assert await AgentLease(api, clock, holder="first", duration_s=15).try_acquire()
        started = clock.monotonic()
        await AgentLease(api, clock, holder="second", duration_s=15).acquire()
        assert 15 <= clock.monotonic() - started <= 20

    run(scenario())
