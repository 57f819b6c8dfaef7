"""An API server in this process, with a clock that the test moves and uids that count; and the objects its tests send."""

from __future__ import annotations

import itertools
from typing import Any

from shoal.kube.apiserver import Admission, ApiServer, MemoryStore, Options, Registry
from shoal.kube.apiserver.store import decode, encode
from shoal.kube.wire import Request, Response
from support.clock import ManualClock

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Client:
    """Calls an API server and decodes what it answers."""

    def __init__(
        self,
        *,
        options: Options | None = None,
        admission: Admission | None = None,
        registry: Registry | None = None,
        store: MemoryStore | None = None,
    ) -> None:
        self.clock, self.store = ManualClock(), store or MemoryStore()
        self.registry = registry or Registry.builtin()
        numbers = itertools.count(1)
        self.server = ApiServer(
            self.store,
            self.registry,
            now=self.clock.now,
            uid=lambda: f"uid-{next(numbers)}",
            admission=admission,
            options=options,
        )

    async def raw(self, method: str, path: str, body: Any = None, *, type_: str = "", accept: str = "", **query: Any) -> Response:
        sent = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        headers = {"content-type": type_ or "application/json", "accept": accept, "user-agent": "unit/1.0"}
        query = {name: str(value) for name, value in query.items()}
        return await self.server.handle(Request(method=method, path=path, query=query, headers=headers, body=sent))

    async def __call__(self, method: str, path: str, body: Any = None, *, code: int = 0, **more: Any) -> Any:
        """The decoded body; the status must be `code`, or any success."""
        answer = await self.raw(method, path, body, **more)
        assert answer.status == code if code else answer.status < 300, (answer.status, answer.body)
        return decode(answer.body)

    async def apply(self, path: str, object_: Any, manager: str = "m1", *, code: int = 0, **query: Any) -> Any:
        return await self("PATCH", path, object_, type_=APPLY, code=code, fieldManager=manager, **query)


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "nginx:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
