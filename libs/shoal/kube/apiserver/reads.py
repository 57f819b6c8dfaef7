"""Get, list and watch, in the form that was asked for."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any

import msgspec

from shoal.api.meta import Manifest
from shoal.kube.apiserver.asked import present
from shoal.kube.apiserver.errors import StatusError, bad_request, expired, failure, not_found, too_new
from shoal.kube.apiserver.negotiation import Accepted
from shoal.kube.apiserver.options import Options
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.scale import scale_of
from shoal.kube.apiserver.selectors import Predicate, both, field_selector, label_selector
from shoal.kube.apiserver.store import Event, EventType, Expired, Selection, Store, Stored, Watch, decode, encode
from shoal.kube.apiserver.tables import Printer

_Query = dict[str, str]


class _Continue(msgspec.Struct):
    """What a `continue` token holds."""

    rv: int
    start: tuple[str, str]
    """Namespace and name of the last object that was given out."""


class Reads:
    def __init__(self, store: Store, options: Options, printer: Printer) -> None:
        self._store, self._options, self._printer = store, options, printer
        self._snapshots: OrderedDict[tuple[int, Selection], list[Stored]] = OrderedDict()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends every watch that is open."""
        self._stopping.set()

    async def get(self, target: Target, query: _Query, accepted: Accepted) -> bytes:
        await self._reach(query)
        stored = self._store.get(target.ref)
        if stored is None:
            raise not_found(target.resource, target.name)
        if target.subresource == "scale" and target.resource.scale:
            return encode(scale_of(stored.object(), target.resource.scale))
        return self.formed(present(stored, target), target, accepted, query)

    def formed(self, body: bytes, target: Target, accepted: Accepted, query: _Query) -> bytes:
        """One object in the form that was asked for."""
        if accepted.form == "object":
            return body
        if accepted.form == "metadata":
            return encode(partial(decode(body)))
        object_ = decode(body)
        metadata = {"resourceVersion": object_["metadata"].get("resourceVersion", "")}
        return encode(self._printer.table(target, [object_], query, metadata=metadata))

    def scaled(self, body: bytes, target: Target) -> bytes:
        """The Scale of an object that was just written."""
        assert target.resource.scale is not None
        return encode(scale_of(decode(body), target.resource.scale))

    async def collection(self, target: Target, query: _Query, accepted: Accepted) -> bytes:
        selection, predicate = self._selection(target, query)
        limit = _number(query, "limit")
        if token := query.get("continue"):
            revision, rest = self._resumed(token, selection)
        else:
            revision = await self._reach(query)
            rest = list(self._store.list(selection))
        chosen, more = self._chunk(rest, predicate, limit, target)
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if more:
            last = chosen[-1].ref
            metadata["continue"] = _token(_Continue(revision, (last.namespace, last.name)))
            if predicate is None:
                metadata["remainingItemCount"] = len(rest) - len(chosen)
            self._keep(revision, selection, rest)
        return self._listed(chosen, target, accepted, query, metadata)

    def select(self, target: Target, query: _Query) -> list[Stored]:
        """The objects that a list would give."""
        selection, predicate = self._selection(target, query)
        return [stored for stored in self._store.list(selection) if predicate is None or predicate(stored.object())]

    def _listed(self, chosen: list[Stored], target: Target, accepted: Accepted, query: _Query, metadata: dict[str, Any]) -> bytes:
        if accepted.form == "table":
            objects = [decode(present(stored, target)) for stored in chosen]
            return encode(self._printer.table(target, objects, query, metadata=metadata))
        if accepted.form == "metadata":
            items = b",".join(encode(partial(decode(present(stored, target)))) for stored in chosen)
            return _list_body("PartialObjectMetadataList", "meta.k8s.io/v1", metadata, items)
        items = b",".join(present(stored, target) for stored in chosen)
        return _list_body(f"{target.resource.kind}List", target.api_version, metadata, items)

    def _chunk(self, rest: list[Stored], predicate: Predicate | None, limit: int, target: Target) -> tuple[list[Stored], bool]:
        """The next `limit` objects that match (all when 0), and whether more may follow."""
        if predicate is None:
            return (rest[:limit], len(rest) > limit) if limit else (rest, False)
        chosen: list[Stored] = []
        for stored in rest:
            if predicate(stored.object()):
                if limit and len(chosen) == limit:
                    return chosen, True
                chosen.append(stored)
        return chosen, False

    def _keep(self, revision: int, selection: Selection, rest: list[Stored]) -> None:
        self._snapshots[revision, selection] = rest
        self._snapshots.move_to_end((revision, selection))
        while len(self._snapshots) > self._options.list_snapshots:
            self._snapshots.popitem(last=False)

    def _resumed(self, token: str, selection: Selection) -> tuple[int, list[Stored]]:
        """What a continued list still has to give. Raises a 410 when its snapshot is forgotten."""
        try:
            place = msgspec.json.decode(base64.urlsafe_b64decode(token), type=_Continue)
        except (ValueError, msgspec.DecodeError) as error:
            raise bad_request(f"continue key is not valid: {error}") from error
        kept = self._snapshots.get((place.rv, selection))
        if kept is None:
            raise expired("The provided continue parameter is too old to display a consistent list result. Start a new list without it.")
        return place.rv, [stored for stored in kept if (stored.ref.namespace, stored.ref.name) > place.start]

    async def _reach(self, query: _Query) -> int:
        """Waits until reads are as new as was asked for; returns their revision."""
        asked = query.get("resourceVersion", "")
        if asked == "":
            return await self._store.settled()
        if asked == "0":
            return self._store.revision()
        wanted = _version(asked)
        if query.get("resourceVersionMatch") == "Exact":
            if await self._store.settled() != wanted:
                raise expired(f"The resourceVersion for the provided list is too old: {wanted}")
            return wanted
        if self._store.revision() < wanted:
            await self._wait_for(wanted)
        return self._store.revision()

    async def _wait_for(self, wanted: int) -> None:
        pause_s = 0.02
        waited_s = 0.0
        while await self._store.settled() < wanted:
            if waited_s >= self._options.version_wait_s:
                raise too_new(wanted, self._store.revision())
            await asyncio.sleep(pause_s)
            waited_s += pause_s

    def _selection(self, target: Target, query: _Query) -> tuple[Selection, Predicate | None]:
        resource = target.resource
        selection = Selection(resource.group, resource.kind, target.namespace or None)
        fields = field_selector(query.get("fieldSelector", ""), resource.group, resource.kind)
        predicate = both(label_selector(query.get("labelSelector", "")), fields)
        if target.name:  # A watch of one object by its path.
            predicate = both(predicate, lambda object_: object_["metadata"]["name"] == target.name)
        return selection, predicate

    async def watch(self, target: Target, query: _Query, accepted: Accepted) -> AsyncIterator[bytes]:
        """The lines of a watch. Raises a `StatusError` before the first line; a version that is forgotten is told in a line, as by a real
        server."""
        selection, predicate = self._selection(target, query)
        initial, since = await self._start(query, selection)
        lines = _Lines(target, predicate, accepted, query, self._printer)
        try:
            watch = self._store.watch(since, selection)
        except Expired as error:
            return _one(_error_line(expired(str(error))))
        timeout_s = _number(query, "timeoutSeconds") or self._options.watch_s
        first = b"".join(lines.initial(stored) for stored in initial)
        if query.get("sendInitialEvents") == "true" and lines.bookmarks:
            first += lines.bookmark(since, initial_end=True)
        return _Stream(self._stream(watch, first, lines, float(timeout_s)), watch)

    async def _start(self, query: _Query, selection: Selection) -> tuple[Iterable[Stored], int]:
        """(objects to give out first, the revision to watch from)."""
        version = query.get("resourceVersion", "")
        if query.get("sendInitialEvents") == "true":
            if query.get("resourceVersionMatch") != "NotOlderThan":
                raise bad_request(
                    "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                )
            await self._reach(query)
        elif query.get("sendInitialEvents") == "false" and version in ("", "0"):
            return (), await self._store.settled()
        elif version not in ("", "0"):
            return (), _version(version)
        elif version == "":
            await self._store.settled()
        return list(self._store.list(selection)), self._store.revision()

    async def _stream(self, watch: Watch, first: bytes, lines: _Lines, timeout_s: float) -> AsyncGenerator[bytes]:
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        try:
            if first:
                yield first
            stopping = asyncio.ensure_future(self._stopping.wait())
            try:
                while (left := end - clock()) > 0 and not self._stopping.is_set():
                    events = await _until(watch, min(left, self._options.bookmark_s), stopping)
                    if events:
                        out = b"".join(lines.of(event) for event in events)
                        if out:
                            yield out
                    elif lines.bookmarks and not self._stopping.is_set():
                        yield lines.bookmark(watch.position)
            finally:
                stopping.cancel()
        except Expired as error:
            yield _error_line(expired(str(error)))
        finally:
            watch.close()


class _Stream:
    """The lines of a watch; closing it closes the watch also when nobody ever read a line."""

    def __init__(self, lines: AsyncGenerator[bytes], watch: Watch) -> None:
        self._lines, self._watch = lines, watch

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._lines)

    async def aclose(self) -> None:
        await self._lines.aclose()
        self._watch.close()


async def _until(watch: Watch, timeout_s: float, stopping: asyncio.Future[Any]) -> list[Event]:
    """The next events; empty when the time is over or the server stops."""
    task = asyncio.ensure_future(watch.next(timeout_s))
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else []
    finally:
        task.cancel()


class _Lines:
    """Encodes events for one watch. Whole objects without a selector are encoded once for all watches."""

    def __init__(self, target: Target, predicate: Predicate | None, accepted: Accepted, query: _Query, printer: Printer) -> None:
        self._target, self._predicate, self._accepted, self._query = target, predicate, accepted, query
        self._printer = printer
        self.bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        self._plain = accepted.form == "object" and len(target.resource.versions) < 2

    def initial(self, stored: Stored) -> bytes:
        if self._predicate is not None and not self._predicate(stored.object()):
            return b""
        return self._line(EventType.ADDED, stored)

    def of(self, event: Event) -> bytes:
        """The line of an event; empty when it does not concern this watch."""
        type_ = event.type
        if self._predicate is not None:
            shown = self._seen_as(event)
            if shown is None:
                return b""
            type_ = shown
        if type_ is event.type and self._plain:
            if not event.line:
                event.line = _line(type_, event.object.body)
            return event.line
        return self._line(type_, event.object)

    def _seen_as(self, event: Event) -> EventType | None:
        """An object that enters or leaves the selection is added or deleted for this watch."""
        assert self._predicate is not None
        before = event.previous is not None and self._predicate(event.previous.object())
        after = event.type is not EventType.DELETED and self._predicate(event.object.object())
        if after:
            return EventType.MODIFIED if before else EventType.ADDED
        return EventType.DELETED if before else None

    def _line(self, type_: EventType, stored: Stored) -> bytes:
        body = present(stored, self._target)
        if self._accepted.form == "metadata":
            body = encode(partial(decode(body)))
        elif self._accepted.form == "table":
            object_: Manifest = decode(body)
            metadata = {"resourceVersion": str(stored.revision)}
            body = encode(self._printer.table(self._target, [object_], self._query, metadata=metadata))
        return _line(type_, body)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, version = self._target.resource.kind, self._target.api_version
        if self._accepted.form == "metadata":
            kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
        object_: dict[str, Any] = {"kind": kind, "apiVersion": version, "metadata": metadata}
        if self._accepted.form == "table":
            object_ = self._printer.table(self._target, [object_], self._query, metadata={"resourceVersion": str(revision)})
        return encode({"type": "BOOKMARK", "object": object_}) + b"\n"


def _line(type_: EventType, body: bytes) -> bytes:
    return b'{"type":"' + type_.value.encode() + b'","object":' + body + b"}\n"


def _error_line(error: StatusError) -> bytes:
    return encode({"type": "ERROR", "object": failure(error.code, error.reason, error.message)}) + b"\n"


async def _one(line: bytes) -> AsyncIterator[bytes]:
    yield line


def partial(object_: Manifest) -> Manifest:
    """Only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object_["metadata"]}


def _list_body(kind: str, api_version: str, metadata: dict[str, Any], items: bytes) -> bytes:
    head = encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return head[:-1] + b',"items":[' + items + b"]}"


def _token(place: _Continue) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _number(query: _Query, name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(f'{name}: Invalid value: "{text}": must be a number')
    return int(text)


def _version(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'resourceVersion: Invalid value: "{text}": must be a decimal integer')
    return int(text)
