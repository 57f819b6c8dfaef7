"""Shoal's own Kubernetes API server, driven by schemas: the API of an embedded member cluster, and of the hub.

What belongs here: everything that makes an answer of a Kubernetes API, without sockets (`ApiServer.handle`), its storage port with the
memory adapter and its journal, and the ASGI application around it. What does not: controllers (`kube/simulated`), clients (`kube/client`),
rules of the hub (the gateway plugs them in as `Admission`), and the adapter over the bus.
"""

from __future__ import annotations

from shoal.kube.apiserver.admission import Admission, AdmitAll, Context
from shoal.kube.apiserver.errors import Cause, StatusError
from shoal.kube.apiserver.http import asgi
from shoal.kube.apiserver.journal import Journal
from shoal.kube.apiserver.memory import MemoryStore
from shoal.kube.apiserver.options import HUB, Options
from shoal.kube.apiserver.registry import Column, Registry, ResourceType, Scale
from shoal.kube.apiserver.server import ApiServer
from shoal.kube.apiserver.store import Event, EventType, Expired, Selection, Store, Stored, Watch

__all__ = [
    "HUB",
    "Admission",
    "AdmitAll",
    "ApiServer",
    "Cause",
    "Column",
    "Context",
    "Event",
    "EventType",
    "Expired",
    "Journal",
    "MemoryStore",
    "Options",
    "Registry",
    "ResourceType",
    "Scale",
    "Selection",
    "StatusError",
    "Store",
    "Stored",
    "Watch",
    "asgi",
]
