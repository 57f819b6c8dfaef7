"""How one API server differs from another: a member cluster's, or the hub's."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    full_defaults: bool = True
    """Fill what a real API server fills. False (the hub): only what Shoal counts on; templates stay as users wrote them."""

    namespace_must_exist: bool = True
    """An object of a missing or terminating namespace is refused, as by a real API server."""

    cascade_namespaces: bool = True
    """Deleting a Namespace deletes its content first. False (the hub): it is an object like others, and admission decides."""

    deletion_finalizers: bool = False
    """Foreground and orphan deletion leave their finalizers to a garbage collector. False where none runs: both delete at once."""

    service_cidr: str | None = "10.96.0.0/16"
    """Services get a cluster IP from here, and node ports. None (the hub): left to the members."""

    object_bytes_max: int = 1_572_864
    """1.5 MiB, as etcd's limit; a larger object is refused with 413."""

    request_bytes_max: int = 3 * 1024 * 1024
    """A larger body is refused with 413 unread."""

    watch_s: float = 1800.0
    """A watch that names no `timeoutSeconds` ends after this; clients start the next one by themselves."""

    bookmark_s: float = 30.0
    """A quiet watch that takes bookmarks hears of the current revision this often, so that it can resume late."""

    list_snapshots: int = 16
    """Chunked lists under way at the same time; each holds references to its objects. An older one is answered 410: list again."""

    version_wait_s: float = 3.0
    """A read of a version that this server has not reached yet waits this long before it is refused."""


HUB = Options(full_defaults=False, cascade_namespaces=False, service_cidr=None)
"""The hub keeps what users wrote and leaves to the members what members do."""
