"""`Api`: the verbs of one API server on plain manifests, with refusals as the errors of `shoal.api.errors`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from shoal.api.clock import Clock
from shoal.api.errors import DependencyMissing, MemberUnavailable, ShoalError
from shoal.api.meta import Manifest, Ref, group_of, ref_of
from shoal.kube.client.discovery import KindInfo, Kinds, discover
from shoal.kube.client.failures import WatchExpired, failure_of, status_of
from shoal.kube.client.transport import APPLY_PATCH, MERGE_PATCH, ConnectionLost
from shoal.kube.wire import Request, Response, Transport

PAGE = 500
"""Objects of one answer to a list; kubectl's and client-go's number."""
REDISCOVER_S = 5.0
"""An unknown kind makes us ask again which kinds there are, but not more often than this: a CRD that never comes must cost nothing."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_DISCOVERY_TIMEOUT_S = 30.0

_JSON = {"accept": "application/json", "content-type": "application/json"}
_APPLY = {"accept": "application/json", "content-type": APPLY_PATCH}
_MERGE = {"accept": "application/json", "content-type": MERGE_PATCH}
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class Kind(NamedTuple):
    """Names a kind; version-free, as `Ref` is."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Listing(msgspec.Struct, frozen=True):
    """A whole collection at one moment."""

    items: list[Manifest]
    resource_version: str
    """Where a watch goes on."""


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, Generic[T]):
    metadata: _ListMeta = _ListMeta()
    items: list[T] | None = None


@functools.cache
def _page_decoder(as_: Hashable) -> msgspec.json.Decoder[_Page[Any]]:
    """Built once for each type that somebody lists."""
    return msgspec.json.Decoder(_Page[as_])  # type: ignore[valid-type]  # The parameter is a value here, as msgspec wants it.


class Api:
    """One API server. Safe for many tasks at once; holds nothing but the map of kinds."""

    def __init__(self, transport: Transport, *, name: str, clock: Clock, timeout_s: float = 10.0, page: int = PAGE) -> None:
        self.transport, self.name, self.clock, self.timeout_s, self.page = transport, name, clock, timeout_s, page
        self._kinds: Kinds | None = None
        self._discovered_at = 0.0
        self._discovering = asyncio.Lock()

    # --- kinds ---

    async def discover(self) -> Kinds:
        """Asks which kinds there are and remembers it. Two requests, or one per group version on a server older than 1.26."""
        async with self._discovering:
            return await self._discover()

    async def kinds(self) -> Kinds:
        """As last discovered; asks only the first time."""
        return self._kinds or await self.discover()

    async def info(self, group: str, kind: str, version: str = "") -> KindInfo:
        """How a kind is reached. Raises `DependencyMissing` when the server does not serve it (in that version)."""
        found = self._kinds and self._kinds.find(group, kind, version)
        if found:
            return found
        async with self._discovering:
            # Many tasks may have waited for the same unknown kind: one asks, the others look at its answer.
            if self._kinds is None or self.clock.monotonic() - self._discovered_at >= REDISCOVER_S:
                await self._discover()
        found = self._kinds and self._kinds.find(group, kind, version)
        if not found:
            wanted = f"{kind} of {group or 'the core group'}" + (f" in version {version}" if version else "")
            raise DependencyMissing(f"{self.name} does not serve {wanted}; it may need a CRD")
        return found

    def known(self, kind: Kind) -> KindInfo:
        """As `info`, of a kind that was asked for before; raises `DependencyMissing` otherwise."""
        found = self._kinds and self._kinds.find(*kind)
        if not found:
            raise DependencyMissing(f"{self.name} was not asked about {kind} yet")
        return found

    async def _discover(self) -> Kinds:
        async def get(path: str, accept: str) -> Response:
            request = Request(method="GET", path=path, headers={"accept": accept})
            return self._accept(await self._repeatable(request, timeout_s=_DISCOVERY_TIMEOUT_S), None)

        self._kinds = await discover(get, unavailable=ShoalError)
        self._discovered_at = self.clock.monotonic()
        return self._kinds

    # --- reading ---

    async def get(self, ref: Ref, *, subresource: str = "") -> Manifest | None:
        """None when there is no such object. Raises `DependencyMissing` when there is no such kind."""
        info = await self.info(ref.group, ref.kind)
        path = info.path(ref.namespace, ref.name, subresource)
        response = await self._repeatable(Request(method="GET", path=path, headers=_JSON))
        if response.status == 404 and not _is_kind_missing(response):
            return None
        return _decode(self._accept(response, ref).body)

    async def list(self, kind: Kind, namespace: str = "", *, label_selector: str = "", field_selector: str = "") -> Listing:
        """All objects of a kind, in pages, with `apiVersion` and `kind` filled in (items of a list have none)."""
        info = await self.info(*kind)
        items: list[Manifest] = []
        version = ""
        async for page, seen in self.pages(
            kind, namespace, as_=dict[str, Any], label_selector=label_selector, field_selector=field_selector
        ):
            version = seen
            items += [{"apiVersion": info.group_version, "kind": info.kind, **item} for item in page]
        return Listing(items, version)

    async def pages(
        self, kind: Kind, namespace: str = "", *, as_: type[T], label_selector: str = "", field_selector: str = "", accept: str = ""
    ) -> AsyncIterator[tuple[Sequence[T], str]]:
        """(items, resourceVersion of the list) page by page, each item decoded as `as_`; only one page is in memory at a time.

        Raises `MemberUnavailable` when the list expired half-way (410): what came so far is not a whole, so the caller starts again.
        """
        info = await self.info(*kind)
        decoder: msgspec.json.Decoder[_Page[T]] = _page_decoder(cast(Hashable, as_))
        query = {"limit": str(self.page), **_selectors(label_selector, field_selector)}
        while True:
            request = Request(method="GET", path=info.path(namespace), query=query, headers={"accept": accept or "application/json"})
            page = decoder.decode(self._accept(await self._repeatable(request), _any(kind, namespace)).body)
            yield page.items or [], page.metadata.resource_version
            if not page.metadata.continue_:
                return
            query = {**query, "continue": page.metadata.continue_}

    async def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: float = 300.0,
        accept: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Lines of a watch from `resource_version` on, bookmarks included, until the server ends it (after about `timeout_s`).

        Raises what `failure_of` says when the server refuses; `WatchExpired` for 410, upon which only a new list helps.
        """
        info = await self.info(*kind)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(timeout_s)),
            **_selectors(label_selector, field_selector),
        }
        request = Request(method="GET", path=info.path(namespace), query=query, headers={"accept": accept or "application/json"})
        response = await self.transport.open(request)
        if response.status == 410:
            raise WatchExpired(status_of(response).message)
        if response.stream is None:
            raise failure_of(response, cluster=self.name, ref=_any(kind, namespace))
        stream, rest = response.stream, b""
        try:
            async for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                for line in lines:
                    if line:
                        yield line
        finally:
            await _close(stream)

    # --- writing ---

    async def apply(self, manifest: Manifest, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Manifest:
        """Server-side apply; answers the live object.

        With `metadata.uid` in the manifest it insists on that very object, with `metadata.resourceVersion` on that state of it (but makes
        the object where there is none): else `RevisionConflict`. Raises `Conflict` when fields belong to another manager and not `force`,
        `DependencyMissing`, `ManifestRejected`, `MemberUnavailable`.
        """
        ref = ref_of(manifest)
        info = await self._info_of(manifest)
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        request = Request(
            method="PATCH",
            path=info.path(ref.namespace, ref.name),
            query=query,
            headers=_APPLY,
            body=_encode(_without_managed_fields(manifest)),
        )
        response = await self._repeatable(request)
        return _decode(self._accept(response, ref, manifest["metadata"].get("resourceVersion", "")).body)

    async def create(self, manifest: Manifest, *, field_manager: str = "") -> Manifest:
        """Raises `RevisionConflict` when an object of that name exists."""
        ref = ref_of(manifest)
        info = await self._info_of(manifest)
        query = {"fieldManager": field_manager} if field_manager else {}
        request = Request(method="POST", path=info.path(ref.namespace), query=query, headers=_JSON, body=_encode(manifest))
        return _decode(self._accept(await self._send(request), ref).body)

    async def replace(self, manifest: Manifest, *, field_manager: str = "", subresource: str = "") -> Manifest:
        """PUT. With `metadata.resourceVersion` it is a compare-and-set: raises `RevisionConflict` when another version is live."""
        ref = ref_of(manifest)
        info = await self._info_of(manifest)
        query = {"fieldManager": field_manager} if field_manager else {}
        path = info.path(ref.namespace, ref.name, subresource)
        request = Request(method="PUT", path=path, query=query, headers=_JSON, body=_encode(manifest))
        return _decode(self._accept(await self._send(request), ref, manifest["metadata"].get("resourceVersion", "")).body)

    async def patch_merge(self, ref: Ref, patch: Manifest, *, field_manager: str = "", subresource: str = "") -> Manifest:
        """JSON merge patch (null removes). A `metadata.resourceVersion` in it is a compare-and-set."""
        info = await self.info(ref.group, ref.kind)
        query = {"fieldManager": field_manager} if field_manager else {}
        path = info.path(ref.namespace, ref.name, subresource)
        request = Request(method="PATCH", path=path, query=query, headers=_MERGE, body=_encode(patch))
        expected = (patch.get("metadata") or {}).get("resourceVersion", "")
        return _decode(self._accept(await self._send(request), ref, expected).body)

    async def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", propagation: str = "Background") -> bool:
        """True when the server took it (finalizers may still hold the object), False when there was none.

        Raises `RevisionConflict` when the live object has another uid or resourceVersion than the given ones.
        """
        info = await self.info(ref.group, ref.kind)
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        preconditions = {name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        if preconditions:
            options["preconditions"] = preconditions
        request = Request(method="DELETE", path=info.path(ref.namespace, ref.name), headers=_JSON, body=_encode(options))
        response = await self._repeatable(request)
        if response.status == 404 and not _is_kind_missing(response):
            return False
        self._accept(response, ref, resource_version)
        return True

    # --- the server itself ---

    async def version(self) -> str:
        """`gitVersion`, such as `v1.36.3`."""
        request = Request(method="GET", path="/version", headers=_JSON)
        return str(_decode(self._accept(await self._repeatable(request), None).body).get("gitVersion", ""))

    async def kube_system_uid(self) -> str:
        """UID of the namespace `kube-system`, by which a cluster is known (L03). Raises `DependencyMissing` when there is none."""
        request = Request(method="GET", path="/api/v1/namespaces/kube-system", headers=_JSON)
        ref = Ref("", "Namespace", "", "kube-system")
        return str(_decode(self._accept(await self._repeatable(request), ref).body)["metadata"]["uid"])

    async def healthy(self) -> bool:
        """Whether the server says of itself that it can serve (`/readyz`); False also when it does not answer."""
        try:
            return (await self._send(Request(method="GET", path="/readyz"))).status == 200
        except MemberUnavailable:
            return False

    async def close(self) -> None:
        await self.transport.close()

    # --- one exchange ---

    async def _info_of(self, manifest: Manifest) -> KindInfo:
        """In the manifest's own version: the server refuses a body of another one."""
        version = manifest["apiVersion"].rpartition("/")[2]
        return await self.info(group_of(manifest["apiVersion"]), manifest["kind"], version)

    async def _send(self, request: Request, timeout_s: float = 0.0) -> Response:
        return await self.transport.send(request, timeout_s=timeout_s or self.timeout_s)

    async def _repeatable(self, request: Request, timeout_s: float = 0.0) -> Response:
        """For requests that may run twice: a connection that the server closed just now costs one repetition, not an error.

        Answers of 429 and 5xx are not repeated here; the caller's back-off is better informed.
        """
        try:
            return await self._send(request, timeout_s)
        except ConnectionLost:
            return await self._send(request, timeout_s)

    def _accept(self, response: Response, ref: Ref | None, expected: str = "") -> Response:
        if 200 <= response.status < 300:
            return response
        if response.status == 404 and _is_kind_missing(response):
            self._discovered_at = 0.0  # A kind that we know is gone: its CRD was removed, or made anew under another plural.
        raise failure_of(response, cluster=self.name, ref=ref, expected=expected)


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    query = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


def _is_kind_missing(response: Response) -> bool:
    """Whether a 404 is about the path and not about an object: the server names no object then, or answers plain text."""
    details = status_of(response).details
    return details is None or not details.name


def _any(kind: Kind, namespace: str) -> Ref:
    """A ref for messages about a whole collection."""
    return Ref(kind.group, kind.kind, namespace, "*")


def _without_managed_fields(manifest: Manifest) -> Manifest:
    """A server refuses an apply that carries managedFields; manifests read from a server have them."""
    metadata = manifest["metadata"]
    if "managedFields" not in metadata:
        return manifest
    return {**manifest, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


async def _close(stream: AsyncIterator[bytes]) -> None:
    """Ends a stream that is left early. Only generators have something to close."""
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()
