"""Which kinds an API server serves and under which path: the two answers of aggregated discovery, or the many of the older form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from shoal.api.cluster import APIEnablement, APIResource
from shoal.kube.wire import Response

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
"""Accept header. A server older than 1.26 knows only the last of the three and answers the older form."""
LEGACY_AT_ONCE = 8
"""Requests in flight while the older form is read, one per group and version."""


class KindInfo(msgspec.Struct, frozen=True, kw_only=True):
    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Of a collection without `name`, of one object with it."""
        parts = ["/api" if not self.group else f"/apis/{self.group}", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join(part for part in (*parts, name, subresource) if part)


class Kinds:
    """Everything a server serves. Versions of a group are in the server's order of preference."""

    def __init__(self, infos: list[KindInfo], *, complete: bool = True) -> None:
        self._by_kind: dict[tuple[str, str], list[KindInfo]] = {}
        self.complete = complete
        """False when some group could not be asked (its extension server is away): a kind that is missing then proves nothing."""
        for info in infos:
            self._by_kind.setdefault((info.group, info.kind), []).append(info)

    def find(self, group: str, kind: str, version: str = "") -> KindInfo | None:
        """The preferred version, or exactly the one that is named."""
        infos = self._by_kind.get((group, kind), ())
        return next((info for info in infos if not version or info.version == version), None)

    def preferred(self) -> Iterator[KindInfo]:
        """One entry for each kind."""
        return (infos[0] for infos in self._by_kind.values())

    def enablements(self) -> tuple[APIEnablement, ...]:
        """As a Cluster's status lists them: sorted, so that an unchanged server gives an equal value."""
        resources: dict[str, list[APIResource]] = {}
        for infos in self._by_kind.values():
            for info in infos:
                resources.setdefault(info.group_version, []).append(APIResource(name=info.plural, kind=info.kind))
        return tuple(
            APIEnablement(group_version=version, resources=tuple(sorted(found, key=lambda resource: resource.name)))
            for version, found in sorted(resources.items())
        )

    def __len__(self) -> int:
        return len(self._by_kind)


class _Kind(msgspec.Struct, frozen=True, rename="camel"):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    resource: str = ""
    response_kind: _Kind = _Kind()
    scope: str = ""
    verbs: tuple[str, ...] = ()


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    version: str = ""
    resources: tuple[_Resource, ...] = ()
    freshness: str = "Current"


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""


class _Group(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Meta = _Meta()
    versions: tuple[_Version, ...] = ()


class _Aggregated(msgspec.Struct, frozen=True):
    kind: str = ""
    items: tuple[_Group, ...] = ()


class _OldResource(msgspec.Struct, frozen=True):
    name: str = ""
    kind: str = ""
    group: str = ""
    version: str = ""
    namespaced: bool = False
    verbs: tuple[str, ...] = ()


class _OldResources(msgspec.Struct, frozen=True):
    resources: tuple[_OldResource, ...] = ()


class _GroupVersion(msgspec.Struct, frozen=True, rename="camel"):
    version: str = ""


class _OldGroup(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    versions: tuple[_GroupVersion, ...] = ()
    preferred_version: _GroupVersion = _GroupVersion()


class _OldRoot(msgspec.Struct, frozen=True):
    versions: tuple[str, ...] = ()
    groups: tuple[_OldGroup, ...] = ()


Get = Callable[[str, str], Awaitable[Response]]
"""One GET of (path, Accept header), answered with 200; other answers are raised."""


async def discover(get: Get, *, unavailable: type[Exception]) -> Kinds:
    """Asks a server for all its kinds. `unavailable` is what `get` raises when a single group cannot be asked."""
    infos: list[KindInfo] = []
    complete = True
    for root in ("/api", "/apis"):
        response = await get(root, AGGREGATED)
        answer = msgspec.json.decode(response.body, type=_Aggregated)
        if answer.kind == "APIGroupDiscoveryList":
            infos += _aggregated(answer)
            complete = complete and all(version.freshness != "Stale" for group in answer.items for version in group.versions)
        else:
            found, whole = await _legacy(get, root, response, unavailable)
            infos += found
            complete = complete and whole
    return Kinds(infos, complete=complete)


def _aggregated(answer: _Aggregated) -> list[KindInfo]:
    return [
        KindInfo(
            group=group.metadata.name,
            version=version.version,
            kind=resource.response_kind.kind,
            plural=resource.resource,
            namespaced=resource.scope == "Namespaced",
            verbs=frozenset(resource.verbs),
        )
        for group in answer.items
        for version in group.versions
        for resource in version.resources
        if resource.response_kind.kind
    ]


async def _legacy(get: Get, root: str, response: Response, unavailable: type[Exception]) -> tuple[list[KindInfo], bool]:
    """The form of servers before 1.26: one request for each group and version."""
    answer = msgspec.json.decode(response.body, type=_OldRoot)
    wanted = [("", version) for version in answer.versions] if root == "/api" else []
    for group in answer.groups:
        # The preferred version first, the others in the server's order.
        first = group.preferred_version.version
        wanted += [(group.name, first)] if first else []
        wanted += [(group.name, version.version) for version in group.versions if version.version != first]
    gate = asyncio.Semaphore(LEGACY_AT_ONCE)

    async def one(group: str, version: str) -> list[KindInfo] | None:
        path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
        async with gate:
            try:
                resources = msgspec.json.decode((await get(path, "application/json")).body, type=_OldResources).resources
            except unavailable:
                return None  # The caller learns it from `complete`.
        return [
            KindInfo(
                group=group,
                version=version,
                kind=resource.kind,
                plural=resource.name,
                namespaced=resource.namespaced,
                verbs=frozenset(resource.verbs),
            )
            for resource in resources
            if "/" not in resource.name
        ]

    found = await asyncio.gather(*(one(group, version) for group, version in wanted))
    return [info for infos in found if infos for info in infos], None not in found
