"""`ApiServer`: from a request to an answer, without a socket. Reading is in `reads.py`, writing in `writes.py` and `deletes.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import structlog

from shoal.api.errors import Retryable
from shoal.api.meta import Ref
from shoal.kube.apiserver import discovery, openapi, reviews
from shoal.kube.apiserver.admission import Admission, AdmitAll
from shoal.kube.apiserver.asked import Asked, Parts, Written, manager_of
from shoal.kube.apiserver.crd import Definitions
from shoal.kube.apiserver.decoding import expect_object, parse
from shoal.kube.apiserver.deletes import Deletes, options_of
from shoal.kube.apiserver.errors import (
    Cause,
    StatusError,
    failure,
    internal,
    invalid_options,
    method_not_allowed,
    no_such_path,
    too_large,
    unsupported_media_type,
)
from shoal.kube.apiserver.lifecycle import identify
from shoal.kube.apiserver.negotiation import Accepted, accepted, accepts, media_type
from shoal.kube.apiserver.options import Options
from shoal.kube.apiserver.patch import APPLY_PATCH
from shoal.kube.apiserver.paths import Target, group_version, target
from shoal.kube.apiserver.reads import Reads
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.store import Store, encode
from shoal.kube.apiserver.tables import Printer
from shoal.kube.apiserver.validation import unsupported
from shoal.kube.apiserver.writes import BODY_TYPES, Writes
from shoal.kube.wire import Request, Response

log = structlog.get_logger(__name__)

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""What every cluster has."""


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class NoSuchGroup(Exception):
    """No kind of that group and version is served; a real server answers without a Status, and clients tell the two apart."""


class ApiServer:
    """A Kubernetes API over a store. One per cluster; many fit into one process."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        now: Callable[[], datetime],
        uid: Callable[[], str],
        admission: Admission | None = None,
        version: str = "v1.37.0",
        options: Options | None = None,
    ) -> None:
        options = options or Options()
        parts = Parts(store, admission or AdmitAll(), options, now, uid)
        self._registry, self._options, self._version = registry, options, version
        self._custom = Definitions(store, registry)
        self._reads = Reads(store, options, Printer(now))
        self._deletes = Deletes(parts, registry)
        self._writes = Writes(parts, self._deletes.removed)
        self._store = store

    async def handle(self, request: Request) -> Response:
        """The answer to one request; never raises but for cancellation. A watch's answer has a `stream`."""
        try:
            return await self._route(request)
        except NoSuchGroup:
            return Response(status=404, body=b"404 page not found\n", content_type="text/plain; charset=utf-8")
        except StatusError as error:
            return _json(encode(error.status()), status=error.code)
        except Retryable as error:
            body = encode(failure(503, "ServiceUnavailable", str(error), {"retryAfterSeconds": 1}))
            return _json(body, status=503, headers={"retry-after": "1"})
        except Exception:
            log.exception("request failed", method=request.method, path=request.path)
            return _json(encode(internal("see the server's log").status()), status=500)

    async def create_namespaces(self, names: Iterable[str] = NAMESPACES) -> None:
        """Makes the namespaces that are missing: what a cluster has from its first moment."""
        for name in names:
            if self._store.get(Ref("", "Namespace", "", name)) is None:
                body = encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
                await self.handle(Request(method="POST", path="/api/v1/namespaces", body=body, query={"fieldManager": "bootstrap"}))

    def refresh(self) -> None:
        """Serves from now on the kinds whose definitions are in the store. Requests do it by themselves."""
        self._custom.refresh()

    def stop(self) -> None:
        """Ends all watches, so that the front door can close."""
        self._reads.stop()

    async def _route(self, request: Request) -> Response:
        if len(request.body) > self._options.request_bytes_max:
            raise too_large(self._options.request_bytes_max)
        parts = [unquote(part) if "%" in part else part for part in request.path.split("/") if part]
        if not parts:
            return _json(encode({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}))
        self._custom.refresh()
        found = group_version(parts)
        if found is not None and found[2]:
            if not self._registry.serves(*found[:2]):
                raise NoSuchGroup
            return await self._resource(request, target(self._registry, *found))
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        return self._document(parts, request)

    def _document(self, parts: list[str], request: Request) -> Response:
        """Everything that is not an object: discovery, OpenAPI, version, health."""
        registry, accept = self._registry, request.headers.get("accept", "")
        match parts:
            case ["healthz" | "livez" | "readyz", *_]:
                return Response(status=200, body=b"ok", content_type="text/plain; charset=utf-8")
            case ["version"]:
                return _json(encode(_version(self._version)))
            case ["api" | "apis" as root] if version := accepts(accept, "apidiscovery.k8s.io", "APIGroupDiscoveryList"):
                body = encode(discovery.aggregated(registry, core=root == "api", version=version))
                return Response(status=200, body=body, content_type=discovery.AGGREGATED_TYPE.format(version=version))
            case ["api"]:
                return _json(encode(discovery.core_versions()))
            case ["apis"]:
                return _json(encode(discovery.group_list(registry)))
            case ["apis", group]:
                return _json(encode(discovery.group(registry, group)))
            case ["api", version]:
                return _json(encode(discovery.resource_list(registry, "", version)))
            case ["apis", group, version]:
                return _json(encode(discovery.resource_list(registry, group, version)))
            case ["openapi", "v3"]:
                return _json(encode(openapi.index(registry)))
            case ["openapi", "v3", *rest]:
                return _json(openapi.document(registry, rest))
            case ["openapi", "v2"] if openapi.PROTOBUF_V2 in accept:
                return Response(status=200, body=openapi.protobuf_v2(self._version), content_type=openapi.PROTOBUF_V2_TYPE)
            case ["openapi", "v2"]:
                return _json(openapi.document_v2(registry, self._version))
        raise no_such_path()

    async def _resource(self, request: Request, about: Target) -> Response:
        form = accepted(request.headers.get("accept", ""))
        method, query = request.method, request.query
        if method in ("GET", "HEAD"):
            return await self._read(about, query, form)
        if method == "DELETE":
            return await self._delete(request, about)
        if _VERBS.get(method) not in about.resource.verbs:
            raise method_not_allowed()
        media = media_type(request.headers.get("content-type", ""))
        asked = self._asked(request, about)
        if method == "POST" and not about.name and (about.namespace or not about.resource.namespaced):
            _check_media(media)
            if about.resource.group == reviews.GROUP:
                return self._review(request, about)
            written = await self._writes.create(asked, request.body)
        elif method == "PUT" and about.name:
            _check_media(media)
            written = await self._writes.replace(asked, request.body)
        elif method == "PATCH" and about.name:
            _check_apply(request, media)
            written = await self._writes.patch(asked, request.body, media)
        else:
            raise method_not_allowed()
        return self._written(written, about, query, form)

    async def _read(self, about: Target, query: dict[str, str], form: Accepted) -> Response:
        if "list" not in about.resource.verbs:
            raise method_not_allowed()
        if query.get("watch") in ("1", "true"):
            stream = await self._reads.watch(about, query, form)
            return Response(status=200, content_type=form.content_type, stream=stream)
        if about.name:
            return _formed(await self._reads.get(about, query, form), form)
        return _formed(await self._reads.collection(about, query, form), form)

    async def _delete(self, request: Request, about: Target) -> Response:
        if about.subresource or "delete" not in about.resource.verbs:
            raise method_not_allowed()
        options = options_of(request.body, request.query)
        asked = self._asked(request, about, dry_run=options.dry_run)
        if about.name:
            body, _ = await self._deletes.delete(asked, options)
            return _json(body)
        if about.resource.namespaced and not about.namespace:
            raise method_not_allowed()
        deleted = await self._deletes.delete_all(asked, options, self._reads.select(about, request.query))
        head = encode(
            {
                "kind": f"{about.resource.kind}List",
                "apiVersion": about.api_version,
                "metadata": {"resourceVersion": str(self._store.revision())},
            }
        )
        return _json(head[:-1] + b',"items":[' + b",".join(deleted) + b"]}")

    def _review(self, request: Request, about: Target) -> Response:
        sent = expect_object(parse(request.body, yaml=True, strict=False)[0])
        identify(sent, about, uid="")
        return _json(encode(reviews.answer(sent)), status=201)

    def _asked(self, request: Request, about: Target, *, dry_run: Iterable[str] = ()) -> Asked:
        query, headers = request.query, request.headers
        wanted = [*dry_run, *([query["dryRun"]] if query.get("dryRun") else [])]
        if any(one != "All" for one in wanted):
            raise invalid_options(request.method, unsupported("dryRun", wanted[0], ["All"]))
        validation = query.get("fieldValidation", "")
        if validation not in ("", "Strict", "Warn", "Ignore"):
            raise invalid_options(request.method, unsupported("fieldValidation", validation, ["Ignore", "Strict", "Warn"]))
        return Asked(
            target=about,
            manager=manager_of(query.get("fieldManager", ""), headers.get("user-agent", "")),
            validation=validation,
            dry_run=bool(wanted),
            force=query.get("force") in ("1", "true"),
            user=headers.get("x-remote-user", ""),
            headers=headers,
        )

    def _written(self, written: Written, about: Target, query: dict[str, str], form: Accepted) -> Response:
        headers = {}
        if written.warnings:
            headers["warning"] = ", ".join(f'299 - "{_quoted(warning)}"' for warning in written.warnings)
        scale = about.subresource == "scale"
        body = self._reads.scaled(written.body, about) if scale else self._reads.formed(written.body, about, form, query)
        return _formed(body, form, status=201 if written.created else 200, headers=headers)


def _check_media(media: str) -> None:
    if media not in BODY_TYPES:
        raise unsupported_media_type("application/json, application/yaml")


def _check_apply(request: Request, media: str) -> None:
    """An apply must say who applies; `force` belongs to applies alone."""
    if media == APPLY_PATCH and not request.query.get("fieldManager"):
        cause = Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
        raise invalid_options("PATCH", cause)
    if media != APPLY_PATCH and request.query.get("force"):
        cause = Cause("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
        raise invalid_options("PATCH", cause)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _json(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, body=body, headers=headers or {})


def _formed(body: bytes, form: Accepted, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, body=body, content_type=form.content_type, headers=headers or {})


def _version(version: str) -> dict[str, Any]:
    major, minor = version.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }
