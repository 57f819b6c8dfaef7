"""The envelope, unknown fields, sizes, and writes whose answers get lost."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from shoal.api.errors import BusUnavailable, ManifestInvalid, RevisionConflict, Terminal
from shoal.api.meta import Ref, Struct
from shoal.api.status import Belief, CopyStatus, TemplateStatus
from shoal.bus.entries import Draft, Entries, digest_of, encode, keep_unknown, read_entry
from shoal.bus.memory import Faults, MemoryBus
from shoal.bus.port import Append, Stored
from shoal.bus.topology import bootstrap
from shoal.messages.catalogue import BELIEF, OBJECT, STATE, STATUS
from support.clock import ManualClock

SHOP = Ref("apps", "Deployment", "web", "shop")
SUBJECT = "state.object.apps.Deployment.web.shop"


class FastClock(ManualClock):
    """Nobody waits."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(0)


async def world(faults: Faults | None = None) -> tuple[MemoryBus, Entries]:
    clock = FastClock()
    bus = MemoryBus(clock, faults=faults)
    await bootstrap(bus, create=True)
    return bus, Entries(bus.client("a"), clock)


def draft(body: Any, **more: Any) -> Draft[Any]:
    return Draft(family=OBJECT, ref=SHOP, body=body, **more)


def stored(data: bytes, *, subject: str = SUBJECT, sequence: int = 7) -> Stored:
    return Stored(subject, sequence, data, {"Shoal-Write": "w"}, 3.0)


async def test_what_is_written_is_read() -> None:
    _, entries = await world()
    body = {"kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"replicas": 2}}
    assert await entries.write(draft(body, uid="u", inputs={"policy": 3}, change="01H", author="me"), expected=0) == 1
    found = await entries.read(OBJECT, SHOP)
    assert found is not None
    assert found.body == body
    assert found.body is not found.body, "objects are decoded at each use"
    assert (found.uid, found.inputs, found.change, found.author, found.revision, found.content) == ("u", {"policy": 3}, "01H", "me", 1, 1)
    assert (found.deleted, found.member, found.ref, found.digest) == (False, "", SHOP, digest_of(msgspec.json.encode(body)))
    assert found.write
    assert await entries.read(OBJECT, Ref("", "Service", "web", "shop")) is None


def test_bodies_of_structs_are_decoded_once() -> None:
    data = encode(Draft(family=BELIEF, ref=SHOP, body=Belief(member="m", state="Ready", since="")))
    found = read_entry(stored(data, subject="state.belief.apps.Deployment.web.shop"), STATE)
    assert found is not None
    assert found.body is found.body
    assert found.body.state == "Ready"


def test_content_stays_that_of_the_last_change_of_content() -> None:
    found = read_entry(stored(encode(draft({}, content=4))), STATE)
    assert found is not None
    assert (found.content, found.revision) == (4, 7)


@pytest.mark.parametrize(
    ("size", "encoding"),
    [pytest.param(60_000, "json", id="small"), pytest.param(70_000, "zlib", id="compressed"), pytest.param(1_500_000, "zlib", id="large")],
)
def test_large_bodies_are_compressed(size: int, encoding: str) -> None:
    body = {"data": "x" * size}
    data = encode(draft(body))
    assert msgspec.json.decode(data).get("encoding", "json") == encoding
    found = read_entry(stored(data), STATE)
    assert found is not None
    assert found.body == body
    if encoding == "zlib":
        assert len(data) < size / 20


def test_too_large_bodies_are_refused_with_what_to_do() -> None:
    with pytest.raises(ManifestInvalid, match="split"):
        encode(draft({"data": "x" * 1_600_000}))


async def test_too_long_names_are_refused() -> None:
    _, entries = await world()
    with pytest.raises(ManifestInvalid, match="1024"):
        await entries.write(Draft(family=OBJECT, ref=Ref("", "Service", "web", "n" * 1100), body={}), expected=0)


def test_a_tombstone_has_no_body() -> None:
    found = read_entry(stored(encode(draft(None, deleted=True))), STATE)
    assert found is not None
    assert (found.deleted, found.has_body) == (True, False)


@pytest.mark.parametrize(
    ("data", "subject"),
    [
        pytest.param(b"not json", SUBJECT, id="not-json"),
        pytest.param(b'{"uid": "no schema"}', SUBJECT, id="no-schema"),
        pytest.param(encode(draft({})), "state.object.too.short", id="strange-subject"),
    ],
)
def test_what_cannot_be_read_is_terminal(data: bytes, subject: str) -> None:
    with pytest.raises(Terminal):
        read_entry(stored(data, subject=subject), STATE)


def test_a_body_of_another_shape_is_terminal_when_it_is_used() -> None:
    data = encode(draft([1, 2])).replace(b"object/1", b"belief/1")
    found = read_entry(stored(data), STATE)
    assert found is not None
    with pytest.raises(Terminal, match="belief"):
        _ = found.body


@pytest.mark.parametrize("data", [b"", encode(draft({})).replace(b"object/1", b"newer/1")], ids=["marker", "unknown-family"])
def test_what_is_no_entry_of_ours_is_passed_over(data: bytes) -> None:
    assert read_entry(stored(data), STATE) is None


class Inner(Struct, frozen=True, kw_only=True):
    free_cpu: int = 0


class Outer(Struct, frozen=True, kw_only=True):
    name: str = ""
    inner: Inner = Inner()
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("previous", "new", "result"),
    [
        pytest.param({"name": "a", "new": 1}, Outer(name="b"), {"name": "b", "new": 1}, id="kept"),
        pytest.param({"inner": {"freeCpu": 1, "gpu": 2}}, Outer(inner=Inner(free_cpu=5)), {"inner": {"freeCpu": 5, "gpu": 2}}, id="nested"),
        pytest.param({"name": "a"}, Outer(), {}, id="a-known-field-that-left-stays-away"),
        pytest.param({"maybe": {"gpu": 2}}, Outer(), {}, id="a-struct-that-left-takes-its-unknown-with-it"),
        pytest.param(None, Outer(name="b"), {"name": "b"}, id="nothing-before"),
    ],
)
def test_unknown_fields_survive(previous: Any, new: Outer, result: dict[str, Any]) -> None:
    assert msgspec.json.decode(keep_unknown(msgspec.json.encode(previous), new)) == result


async def test_unknown_fields_survive_a_rewrite_by_an_older_replica() -> None:
    bus, entries = await world()
    subject = "state.status.apps.Deployment.web.shop"
    newer = b'{"schema": "status/2", "body": {"templateUid": "u", "newer": {"a": 1}, "copies": [{"cluster": "c"}]}}'
    await bus.client("b").append("STATE", Append(subject, newer))
    previous = await entries.read(STATUS, SHOP)
    assert previous is not None
    body = TemplateStatus(template_uid="v", copies=(CopyStatus(cluster="d"),))
    await entries.write(Draft(family=STATUS, ref=SHOP, body=body, previous=previous), expected=1)
    found = await entries.read(STATUS, SHOP)
    assert found is not None
    assert msgspec.json.decode(found.raw) == {"templateUid": "v", "newer": {"a": 1}, "copies": [{"cluster": "d"}]}


# --- lost answers ---


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 7])
async def test_lost_answers_never_write_twice(seed: int, size: int) -> None:
    faults = Faults(Random(seed))
    bus, entries = await world(faults)
    faults.lose_answers, faults.lose_questions = 0.4, 0.3
    revisions = (0,) * size
    for n in range(25):
        drafts = [Draft(family=OBJECT, ref=Ref("", "Service", "a", str(i)), body={"n": n}) for i in range(size)]
        # Seven tries all fail now and then; the caller asks anew, as a work queue does.
        while True:
            try:
                revisions = await entries.write_all(list(zip(drafts, revisions, strict=True)))
                break
            except BusUnavailable:
                continue
            except RevisionConflict:
                # Stored by the write that gave up: read again, decide again.
                faults.lose_answers = faults.lose_questions = 0.0
                found = [await entries.read(OBJECT, item.ref) for item in drafts]
                faults.lose_answers, faults.lose_questions = 0.4, 0.3
                assert all(entry is not None and entry.body == {"n": n} for entry in found)
                revisions = tuple(entry.revision for entry in found if entry is not None)
                break
    assert bus.streams["STATE"].last == 25 * size
    assert revisions == tuple(range(24 * size + 1, 25 * size + 1))


async def test_another_writer_is_a_conflict_also_after_a_lost_question() -> None:
    faults = Faults()
    bus, _ = await world(faults)
    await bus.client("b").append("STATE", Append(SUBJECT, encode(draft({"by": "b"}))))
    faults.lose_questions = 1.0
    original = bus.client("a").append_all

    class OnlyOnce:
        """The bus that loses the first question."""

        def __getattr__(self, name: str) -> Any:
            return getattr(bus.client("a"), name)

        async def append_all(self, *args: Any, **more: Any) -> int:
            try:
                return await original(*args, **more)
            finally:
                faults.lose_questions = 0.0

    with pytest.raises(RevisionConflict):
        await Entries(OnlyOnce(), FastClock()).write(draft({"by": "a"}), expected=0)  # type: ignore[arg-type]


async def test_without_a_comparison_the_message_id_keeps_it_single() -> None:
    faults = Faults(Random(1))
    bus, entries = await world(faults)
    faults.lose_answers = 0.3
    for n in range(20):
        assert await entries.write(draft({"n": n}), expected=None) == n + 1
    assert bus.streams["STATE"].last == 20


async def test_it_gives_up_with_a_clear_word() -> None:
    faults = Faults()
    _, entries = await world(faults)
    faults.lose_questions = 1.0
    with pytest.raises(BusUnavailable, match="written or not"):
        await entries.write(draft({}), expected=0)


# --- reading by sequence ---


async def test_old_revisions_are_read_from_history() -> None:
    bus, entries = await world()
    revision = 0
    for n in range(30):
        revision = await entries.write(draft({"n": n}), expected=revision)
        if n % 3 == 0:
            await entries.write(Draft(family=OBJECT, ref=Ref("", "Service", "a", str(n)), body={}), expected=0)
    by_sequence = {}
    for sequence in range(1, revision + 1):
        found = await entries.read_at(OBJECT, SHOP, sequence)
        if found is not None:
            assert found.revision == sequence
            by_sequence[sequence] = found.body["n"]
    assert list(by_sequence.values()) == list(range(30))
    assert bus.streams["STATE"].entries.keys() >= {revision}
    bus.forget("HISTORY", below=10)
    assert await entries.read_at(OBJECT, SHOP, 1) is None
    assert await entries.read_at(OBJECT, SHOP, 10_000) is None


async def test_history_is_found_when_its_sequences_run_behind() -> None:
    bus, entries = await world()
    for n in range(5):  # Never copied, as when HISTORY was made later.
        bus.streams["STATE"].last += 1
        await entries.write(Draft(family=OBJECT, ref=Ref("", "Service", "a", str(n)), body={}), expected=0)
    revision = 0
    revisions = [revision := await entries.write(draft({"n": n}), expected=revision) for n in range(15)]
    assert [(found.body["n"] if (found := await entries.read_at(OBJECT, SHOP, number)) else None) for number in revisions] == list(
        range(15)
    )


async def test_only_tombstones_are_purged() -> None:
    _, entries = await world()
    revision = await entries.write(draft({}), expected=0)
    found = await entries.read(OBJECT, SHOP)
    assert found is not None
    with pytest.raises(Terminal, match="no tombstone"):
        await entries.purge(found)
    await entries.write(draft(None, deleted=True), expected=revision)
    found = await entries.read(OBJECT, SHOP)
    assert found is not None
    await entries.purge(found)
    assert await entries.read(OBJECT, SHOP) is None
