"""Core messages on both adapters: publish, subscribe, queue groups, requests, typed questions, notifications of works."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shoal.api.errors import BusUnavailable, DeployRefused, ManifestInvalid, MemberUnavailable, Retryable, Terminal
from shoal.bus.port import SEQUENCE, Append, Bus, Message
from shoal.bus.requests import ask, serve
from shoal.messages.catalogue import Beat, BeatAnswer
from support.servers import until


async def test_publish_reaches_every_subscriber_and_one_of_each_group(world: Any, bus: Bus) -> None:
    heard: list[str] = []

    def hearing(name: str) -> Any:
        async def hear(message: Message) -> None:
            heard.append(f"{name}:{message.data.decode()}:{message.headers.get('K')}")

        return hear

    other = await world.client("two")
    await bus.subscribe("beat.*", hearing("plain"))
    await bus.subscribe("beat.*", hearing("group"), queue="q")
    await other.subscribe("beat.*", hearing("group"), queue="q")
    await asyncio.sleep(0.02)  # A subscription takes effect when the server has read it; there is no answer to wait for.
    for n in range(10):
        await other.publish("beat.m1", b"%d" % n, {"K": "v"})
    await until(lambda: len(heard) == 20)
    assert sorted(item for item in heard if item.startswith("group")) == [f"group:{n}:v" for n in range(10)]
    assert [item for item in heard if item.startswith("plain")] == [f"plain:{n}:v" for n in range(10)]


async def test_an_error_of_a_handler_ends_nothing(bus: Bus) -> None:
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)
        if message.data == b"1":
            raise ValueError("a bug")

    subscription = await bus.subscribe("beat.x", hear)
    for data in (b"1", b"2"):
        await bus.publish("beat.x", data)
    await until(lambda: heard == [b"1", b"2"])
    await subscription.unsubscribe()
    await bus.publish("beat.x", b"3")
    await bus.subscribe("beat.x", hear)
    await bus.publish("beat.x", b"4")
    await until(lambda: heard[-1] == b"4")
    assert b"3" not in heard


async def test_a_question_without_anybody_is_told_at_once(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match="nobody"):
        await bus.request("beat.m1", b"", timeout_s=30)


async def test_a_question_without_an_answer_ends_in_time(bus: Bus) -> None:
    async def silent(message: Message) -> None:
        assert message.reply

    await bus.subscribe("beat.m1", silent)
    with pytest.raises(BusUnavailable, match=r"0\.05"):
        await bus.request("beat.m1", b"", timeout_s=0.05)


async def test_ask_and_serve(world: Any, bus: Bus) -> None:
    async def answer(subject: str, beat: Beat) -> BeatAnswer:
        return BeatAnswer(lease_s=beat.interval_s * 3, sequence=len(subject))

    served = await serve(bus, "beat.*", Beat, answer, queue="monitor")
    other = await world.client("two")
    assert await ask(other, "beat.m1", Beat(cluster="a", sequence=7), BeatAnswer) == BeatAnswer(lease_s=6.0, sequence=7)
    answers = await asyncio.gather(*(ask(other, "beat.m1", Beat(cluster="a", sequence=n), BeatAnswer) for n in range(200)))
    assert len(answers) == 200
    await served.unsubscribe()
    with pytest.raises(BusUnavailable):
        await ask(other, "beat.m1", Beat(cluster="a", sequence=7), BeatAnswer, timeout_s=0.5)


@pytest.mark.parametrize(
    ("raised", "kind", "reason"),
    [
        pytest.param(MemberUnavailable("down\nand out: ü"), Retryable, "MemberUnavailable", id="retryable"),
        pytest.param(DeployRefused("TooOld", "older"), Terminal, "TooOld", id="terminal"),
        pytest.param(KeyError("secret"), Retryable, "Internal", id="bug"),
    ],
)
async def test_errors_go_back_to_the_asker(bus: Bus, raised: Exception, kind: type, reason: str) -> None:
    async def answer(subject: str, beat: Beat) -> BeatAnswer:
        raise raised

    await serve(bus, "beat.*", Beat, answer)
    with pytest.raises(kind) as caught:
        await ask(bus, "beat.m1", Beat(cluster="a", sequence=7), BeatAnswer)
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


async def test_a_question_that_cannot_be_read_is_refused(bus: Bus) -> None:
    async def answer(subject: str, beat: Beat) -> BeatAnswer:
        return BeatAnswer()

    await serve(bus, "beat.*", Beat, answer)
    with pytest.raises(Terminal, match="Beat"):
        await ask(bus, "beat.m1", BeatAnswer(), BeatAnswer)


async def test_only_inboxes_are_answered(bus: Bus) -> None:
    """An answer to `$JS.API.STREAM.DELETE.WORK` would delete a stream with our rights."""
    await bus.respond(Message("beat.m1", b"", {}, "$JS.API.STREAM.DELETE.WORK"), b"")
    await bus.respond(Message("beat.m1", b"", {}, "state.object.a.b.c.d"), b"forged")
    assert (await bus.info("WORK")).last == 0
    assert (await bus.info("STATE")).last == 0


async def test_works_are_notified_by_headers_only(world: Any, bus: Bus) -> None:
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    agent = await world.client("agent")
    await agent.subscribe("live.m1.>", hear)
    await asyncio.sleep(0.02)
    subject = "apps.Deployment.web.shop"
    await bus.append("WORK", Append(f"work.m2.{subject}", b"other"))
    sequence = await bus.append("WORK", Append(f"work.m1.{subject}", b"secret", {"Shoal-Write": "w"}))
    await until(lambda: heard)
    assert [(one.subject, one.data, one.headers[SEQUENCE], one.headers["Shoal-Write"]) for one in heard] == [
        (f"live.m1.{subject}", b"", str(sequence), "w")
    ]


async def test_names_that_do_not_fit_are_refused(bus: Bus) -> None:
    with pytest.raises(ManifestInvalid):
        await bus.request("beat." + "n" * 4096)
    with pytest.raises(ManifestInvalid):
        await bus.subscribe("beat..x", lambda message: asyncio.sleep(0))
    assert bus.connected
