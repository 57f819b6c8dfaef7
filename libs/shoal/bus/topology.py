"""How each stream is set: one table, its creation, and the comparison that every service makes at its start.

Only `bootstrap` creates; services `check`. A wrong encryption key makes a stream look missing, so what existed before is never made again
silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from shoal.api.errors import StreamDrifted
from shoal.bus.port import Admin, Config
from shoal.messages.catalogue import DEAD, DEPLOY, EVENT, HISTORY, LEASE, REPORT, STATE, STREAMS, WORK, Stream

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_MB = 1024 * 1024

DEPLOY_CONSUMER = "gateway"
"""Durable of the gateways, all replicas together."""
MARKER_TTL_S = 60
"""How long the marker of an expired lease stays; longer than any rebuild of a watch takes."""


class Storage(msgspec.Struct, frozen=True):
    """What differs between one machine and many."""

    replicas: int = 1
    """1 on one machine, 3 on a NATS cluster."""
    history_bytes: int = 8 * 1024 * _MB
    """HISTORY is trimmed above this; about a million revisions of 8 kB."""
    history_days: float = 7.0
    event_days: float = 7.0


def stream_config(stream: Stream, storage: Storage) -> Config:
    """The whole configuration of one stream, as the JetStream API names things. What is not named is the server's default."""
    common: Config = {"name": stream.name, "description": stream.what, "num_replicas": storage.replicas}
    return common | _TABLE[stream.name](stream, storage)


def _file(stream: Stream, **more: Any) -> Config:
    # Rollup would let one header empty a stream, and one key erase another's history: denied everywhere but in LEASE (marker TTL needs it).
    return {"subjects": list(stream.subjects), "storage": "file", "retention": "limits", "allow_rollup_hdrs": False} | more


def _fast(storage: Storage) -> Config:
    # Content that can be made again needs no fsync for each message. Only streams without replicas know this mode.
    return {"persist_mode": "async"} if storage.replicas == 1 else {}


_TABLE: Mapping[str, Callable[[Stream, Storage], Config]] = {
    "STATE": lambda s, _: _file(s, max_msgs_per_subject=10, discard="new", allow_direct=True, allow_atomic=True),
    "HISTORY": lambda s, o: (
        _file(s, max_age=int(o.history_days * _DAY), max_bytes=o.history_bytes, allow_direct=True)
        | _fast(o)
        | {"subjects": [], "sources": [{"name": STATE.name, "subject_transforms": [{"src": "state.>", "dest": "history.>"}]}]}
    ),
    "WORK": lambda s, _: _file(
        s,
        max_msgs_per_subject=1,
        max_msg_size=2 * _MB,
        allow_direct=True,
        allow_atomic=True,
        republish={"src": "work.*.>", "dest": "live.{{wildcard(1)}}.>", "headers_only": True},
    ),
    "REPORT": lambda s, o: _file(s, max_msgs_per_subject=1, max_msg_size=_MB, allow_direct=True) | _fast(o),
    "DEPLOY": lambda s, _: _file(s, retention="workqueue"),
    "EVENT": lambda s, o: _file(s, max_age=int(o.event_days * _DAY), max_bytes=1024 * _MB, allow_direct=True) | _fast(o),
    # One message per subject: an expired one must not bring the one before it back. On one server a stream in memory is gone after a
    # restart, with its configuration, and services create nothing; so it is a file without fsync.
    "LEASE": lambda s, o: (
        _file(s, max_msgs_per_subject=1, allow_direct=True, allow_msg_ttl=True)
        | {"subject_delete_marker_ttl": MARKER_TTL_S * _SECOND, "allow_rollup_hdrs": True}
        | (_fast(o) or {"storage": "memory"})
    ),
    "DEAD": lambda s, _: _file(s, max_age=30 * _DAY, max_bytes=256 * _MB),
}  # fmt: skip


def consumer_configs(storage: Storage) -> dict[str, Config]:
    """Stream -> its one durable consumer. A message that waits longer than `ack_wait` is given to another replica."""
    return {
        DEPLOY.name: {
            "durable_name": DEPLOY_CONSUMER,
            "name": DEPLOY_CONSUMER,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "ack_wait": 60 * _SECOND,
            "max_deliver": -1,
            "max_ack_pending": 256,
            "num_replicas": storage.replicas,
        }
    }


def differences(wanted: Config, actual: Config, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Setting -> (wanted, actual), for what was asked for and is otherwise; what the server fills in by itself is no difference."""
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in wanted.items():
        have = actual.get(key)
        if isinstance(value, dict) and isinstance(have, dict):
            found |= differences(value, have, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= _list_differences(value, have or [], f"{prefix}{key}")
        elif (value or None) != (have or None):  # The server leaves out what is empty, false or zero.
            found[prefix + key] = (value, have)
    for key in _UNASKED.keys() - wanted.keys():
        if not prefix and actual.get(key, _UNASKED[key]) != _UNASKED[key]:
            found[key] = (_UNASKED[key], actual[key])
    return found


_UNASKED: Config = {
    "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1, "sealed": False, "deny_delete": False, "deny_purge": False,
    "allow_msg_ttl": False, "persist_mode": "", "mirror": None, "republish": None, "subject_transform": None, "sources": None,
}  # fmt: skip
"""Settings that change a stream's meaning when somebody adds them."""


def _list_differences(wanted: list[Config], actual: list[Config], prefix: str) -> dict[str, tuple[Any, Any]]:
    if len(wanted) != len(actual):
        return {prefix: (wanted, actual)}
    found: dict[str, tuple[Any, Any]] = {}
    for index, (one, other) in enumerate(zip(wanted, actual, strict=True)):
        found |= differences(one, other, f"{prefix}[{index}].")
    return found


async def bootstrap(
    admin: Admin,
    *,
    create: bool,
    storage: Storage | None = None,
    expected: AbstractSet[str] = frozenset(),
    streams: Sequence[Stream] = STREAMS,
    first: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """Creates what is missing and compares what is there; the names it created.

    `expected` are streams that existed before (the launcher keeps their names in a file): if one of them that cannot be made again is
    missing, nothing is created, since the usual cause is a wrong store or key. `first` gives the lowest sequence of a stream that is made
    anew, above every revision that any receipt knows. Raises `StreamDrifted`.
    """
    storage = storage or Storage()
    missing = [stream for stream in streams if await admin.stream_config(stream.name) is None]
    lost = sorted(stream.name for stream in missing if stream.name in expected and stream not in (LEASE, EVENT))
    if lost:
        raise StreamDrifted(
            f"{', '.join(lost)} existed before and cannot be found: check the store directory and SHOAL_STORE_KEY; "
            "to begin with an empty bus, remove the list of known streams"
        )
    if missing and not create:
        raise StreamDrifted(f"{', '.join(stream.name for stream in missing)} missing: run `shoal bootstrap`")
    for stream in missing:
        config = stream_config(stream, storage)
        if first and first.get(stream.name):
            config = config | {"first_seq": first[stream.name]}
        await admin.create_stream(config)
    await _consumers(admin, storage, streams, create)
    await check(admin, storage=storage, streams=streams)
    return tuple(stream.name for stream in missing)


async def _consumers(admin: Admin, storage: Storage, streams: Sequence[Stream], create: bool) -> None:
    for name, config in consumer_configs(storage).items():
        if create and any(stream.name == name for stream in streams) and await admin.consumer_config(name, config["name"]) is None:
            await admin.create_consumer(name, config)


async def check(admin: Admin, *, storage: Storage | None = None, streams: Sequence[Stream] = STREAMS) -> None:
    """Raises `StreamDrifted` with every setting that is not as this version asks for. Descriptions do not count."""
    storage = storage or Storage()
    drifted: list[str] = []
    for stream in streams:
        actual = await admin.stream_config(stream.name)
        if actual is None:
            raise StreamDrifted(f"stream {stream.name} is missing: run `shoal bootstrap`")
        wanted = stream_config(stream, storage)
        del wanted["description"]
        drifted += [f"{stream.name}.{key} is {have!r}, wanted {want!r}" for key, (want, have) in differences(wanted, actual).items()]
    for name, config in consumer_configs(storage).items():
        if not any(stream.name == name for stream in streams):
            continue
        actual = await admin.consumer_config(name, config["name"])
        if actual is None:
            raise StreamDrifted(f"consumer {config['name']} of {name} is missing: run `shoal bootstrap`")
        drifted += [f"{name}.{config['name']}.{key} is {have!r}, wanted {want!r}" for key, (want, have) in _asked(config, actual).items()]
    if drifted:
        raise StreamDrifted("; ".join(drifted))


def _asked(wanted: Config, actual: Config) -> dict[str, tuple[Any, Any]]:
    return {key: (value, actual.get(key)) for key, value in wanted.items() if (value or None) != (actual.get(key) or None)}


__all__ = [
    "DEAD", "DEPLOY", "DEPLOY_CONSUMER", "EVENT", "HISTORY", "LEASE", "REPORT", "STATE", "STREAMS", "WORK", "Storage", "bootstrap", "check",
    "consumer_configs", "differences", "stream_config",
]  # fmt: skip
