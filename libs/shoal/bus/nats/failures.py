"""Errors of nats-py and of the JetStream API, told in our own words."""

from __future__ import annotations

import asyncio
import re

import msgspec
import nats.errors

from shoal.api.errors import BusUnavailable, ManifestInvalid, RevisionConflict, ShoalError, StreamDrifted, Terminal

WRONG_LAST_SEQUENCE = 10071
NO_MESSAGE = 10037
STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014
TOO_LARGE = 10054
OTHER_STREAM = 10060
DUPLICATE_IN_BATCH = 10201
"""The batch, or a part of it, was stored before: what a lost answer leaves behind."""
BATCH_INCOMPLETE = 10176
"""The server has given the batch up (10 s without its end, or a part was lost): nothing of it is stored."""
BATCH_DISABLED = 10174
_UNAVAILABLE = frozenset({BATCH_INCOMPLETE, 10008, 10009, 10023, 10047, 10077, 10122})
"""No leader, not ready, no resources: it may be better later."""

FOREIGN = (nats.errors.Error, OSError, asyncio.TimeoutError)


class ApiError(msgspec.Struct):
    """`error` of an answer of the JetStream API."""

    code: int = 0
    err_code: int = 0
    description: str = ""


def failure_of(error: BaseException, what: str) -> ShoalError:
    """What an error of the client means to whoever asked; `what` names the deed and the subject."""
    if isinstance(error, nats.errors.MaxPayloadError):
        return ManifestInvalid(f"{what}: larger than the bus takes")
    if isinstance(error, nats.errors.BadSubjectError):
        return ManifestInvalid(f"{what}: not an address that the bus takes")
    if isinstance(error, nats.errors.NoRespondersError):
        return BusUnavailable(f"{what}: nobody answers there")
    return BusUnavailable(f"{what}: {error or type(error).__name__}")


def refusal_of(error: ApiError, what: str, expected: int | None = None) -> ShoalError:
    """What a refusal of the server means to whoever asked."""
    if error.err_code in (WRONG_LAST_SEQUENCE, DUPLICATE_IN_BATCH):
        found = re.search(r"wrong last sequence: (\d+)", error.description)
        return RevisionConflict(what, expected=expected or 0, actual=int(found.group(1)) if found else None)
    if error.err_code == TOO_LARGE:
        return ManifestInvalid(f"{what}: larger than its stream takes")
    if error.err_code in (STREAM_NOT_FOUND, OTHER_STREAM, CONSUMER_NOT_FOUND, BATCH_DISABLED):
        return StreamDrifted(f"{what}: {error.description}; run `shoal bootstrap`")
    if error.code in (429, 503) or error.err_code in _UNAVAILABLE:
        return BusUnavailable(f"{what}: {error.description}")
    return Terminal(f"{what}: the bus refuses: {error.description} ({error.err_code})")
