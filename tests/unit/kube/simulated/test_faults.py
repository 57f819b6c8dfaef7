"""Faults of an embedded member, as its clients meet them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shoal.api.errors import ManifestRejected, MemberUnavailable
from shoal.api.meta import Manifest, Ref
from shoal.kube.client.api import Kind
from shoal.kube.simulated.faults import PATH, FaultSettings
from shoal.kube.wire import Request

Run = Callable[..., Any]
Make = Callable[..., Manifest]
NAMESPACE = Ref("", "Namespace", "", "default")


def test_a_member_that_is_down_answers_nothing_and_ends_its_watches(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.api.discover()
        lines = member.api.watch(Kind("", "Secret"), resource_version=str(member.store.revision()))
        watching = asyncio.ensure_future(anext(lines, None))
        await member.settle(1)
        member.faults.set(FaultSettings(down=True))
        assert await watching is None
        with pytest.raises(MemberUnavailable):
            await member.api.get(NAMESPACE)
        member.faults.set(FaultSettings())
        assert await member.api.get(NAMESPACE)

    simulate(scenario)


def test_a_slow_member_takes_that_long(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.api.discover()
        member.faults.set(FaultSettings(slow_s=2))
        started = member.clock.monotonic()
        assert await member.api.get(NAMESPACE)
        assert member.clock.monotonic() - started == pytest.approx(2)
        member.faults.set(FaultSettings(slow_s=60))
        with pytest.raises(MemberUnavailable, match="in time"):
            await member.api.get(NAMESPACE)
        assert member.clock.monotonic() - started == pytest.approx(12)

    simulate(scenario)


def test_a_share_of_the_requests_is_refused(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.api.discover()
        member.faults.set(FaultSettings(refuse_status=429, refuse_share=0.5, refuse_retry_after_s=3))
        waits = []
        for _ in range(100):
            try:
                await member.api.get(NAMESPACE)
            except MemberUnavailable as error:
                waits.append(error.retry_after_s)
        assert 30 < len(waits) < 70
        assert set(waits) == {3.0}

    simulate(scenario)


def test_writes_of_a_resource_are_rejected_and_others_are_not(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        member.faults.set(FaultSettings(reject={"deployments": "no deploys today"}))
        with pytest.raises(ManifestRejected, match="no deploys today"):
            await member.apply(make())
        await member.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
        assert await member.api.get(Ref("apps", "Deployment", "default", "web")) is None

    simulate(scenario)


def test_faults_are_set_and_read_over_the_api_also_while_it_is_down(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        handle = member.faults.wrap(member.server.handle)

        async def ask(method: str, body: bytes = b"") -> tuple[int, Manifest]:
            answer = await handle(Request(method=method, path=PATH, body=body))
            return answer.status, msgspec.json.decode(answer.body)

        status, body = await ask("PUT", b'{"down": true}')
        assert (status, body["down"]) == (200, True)
        assert (await handle(Request(method="GET", path="/version"))).status == 503
        assert (await ask("GET"))[1]["down"]
        status, body = await ask("PUT", b'{"dawn": true}')
        assert (status, "dawn" in body["message"]) == (400, True)
        assert member.faults.settings.down
        status, body = await ask("DELETE")
        assert (status, "down" in body) == (200, False)
        assert (await handle(Request(method="GET", path="/version"))).status == 200

    simulate(scenario)
