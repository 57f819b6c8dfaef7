"""How a client reaches one API server: `HttpTransport` over the network, `LocalTransport` by a call in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import structlog
import yarl

from shoal.api.clock import Clock
from shoal.api.errors import MemberUnavailable, SettingInvalid
from shoal.kube.client.credentials import Endpoint, InCluster, Kubeconfig, Source
from shoal.kube.wire import Handler, Request, Response

log = structlog.get_logger(__name__)

APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
"""Content type of a server-side apply; JSON is YAML. Without the parameter `kubernetes_asyncio` would encode the body once more."""
MERGE_PATCH = "application/merge-patch+json"
RELOAD_LOOK_S = 10.0
"""How often the files of the credentials are looked at: a rotated token is valid for minutes beside its successor."""
RELOAD_PAUSE_S = 5.0
"""A server that answers 401 to everybody makes us read the credentials once in this time, not on every request."""
_Asked: TypeAlias = "aiohttp.client._RequestContextManager"
CONNECTIONS_MAX = 64
"""At once to one API server; above it requests wait. Watches have a session of their own and do not count."""
USER_AGENT = "shoal"


class ConnectionLost(MemberUnavailable):
    """An open connection ended before the answer came: usually one that the server had closed while it was idle."""


class HttpTransport:
    """`wire.Transport` over aiohttp. One per API server; it re-reads credentials and certificates when they change."""

    def __init__(self, source: Source, endpoint: Endpoint, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._fingerprint = source.fingerprint()
        self._looked_at = self._reloaded_at = clock.monotonic()
        self._reloading = asyncio.Lock()
        self._use(endpoint)

    @classmethod
    async def of(cls, source: Source, clock: Clock) -> HttpTransport:
        """Raises `SettingInvalid` when the credentials cannot be read. Does not connect yet."""
        return cls(source, await source.read(), clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        await self._look()
        response = await self._exchange(request, timeout_s)
        if response.status == 401 and await self._reload():
            response = await self._exchange(request, timeout_s)
        return response

    async def open(self, request: Request) -> Response:
        await self._look()
        try:
            # No limit in all: a watch ends when the server or the reader ends it. Connecting and the first byte have one.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
            async with asyncio.timeout(30):
                answer = await self._ask(self._watches, request, timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(error, self.base) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status != 200:
            body = await _rest(answer, self.base)
            if answer.status == 401:
                await self._reload()
            return Response(status=answer.status, body=body, content_type=answer.content_type, headers=headers)
        return Response(status=200, content_type=answer.content_type, headers=headers, stream=_chunks(answer, self.base))

    async def close(self) -> None:
        for session in (self._session, self._watches):
            await session.close()

    @property
    def base(self) -> str:
        """Address of the API server for messages: without user and path, which may hold credentials."""
        return self._endpoint.shown

    def _use(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._authorization = _authorization(endpoint)
        self._session, self._watches = _session(endpoint, CONNECTIONS_MAX), _session(endpoint, 0)

    def _ask(self, session: aiohttp.ClientSession, request: Request, timeout: aiohttp.ClientTimeout) -> _Asked:
        """Starts one exchange; it is awaited, or entered with `async with`."""
        url = self._endpoint.base + quote(request.path, safe="/:@!$&'()*+,;=")
        if request.query:
            url += "?" + urlencode(request.query)
        return session.request(
            request.method,
            yarl.URL(url, encoded=True),
            headers={**self._authorization, **request.headers},
            data=request.body or None,
            allow_redirects=False,
            proxy=self._endpoint.proxy,
            server_hostname=self._endpoint.server_name,
            timeout=timeout,
        )

    async def _exchange(self, request: Request, timeout_s: float) -> Response:
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with self._ask(self._session, request, timeout) as answer:
                body = await answer.read()
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(status=answer.status, body=body, content_type=answer.content_type, headers=headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(error, self.base) from error

    async def _look(self) -> None:
        """Reads the credentials again when one of their files changed; a look costs a few stat calls and happens rarely."""
        now = self._clock.monotonic()
        if now - self._looked_at < RELOAD_LOOK_S:
            return
        self._looked_at = now
        if self._source.fingerprint() != self._fingerprint:
            await self._reload()

    async def _reload(self) -> bool:
        """True when other credentials are in use now. The old ones stay when the new ones cannot be read yet."""
        async with self._reloading:
            if self._clock.monotonic() - self._reloaded_at < RELOAD_PAUSE_S:
                return False
            self._reloaded_at = self._clock.monotonic()
            fingerprint = self._source.fingerprint()
            try:
                endpoint = await self._source.read()
            except SettingInvalid as error:
                log.warning("credentials cannot be read again", server=self.base, error=str(error))
                return False
            self._fingerprint = fingerprint
            await self._change(endpoint)
            log.info("credentials read again", server=self.base)
            return True

    async def _change(self, endpoint: Endpoint) -> None:
        """Another token is used from the next request on; other certificates or another address need other connections."""
        if endpoint.connection == self._endpoint.connection:
            self._endpoint, self._authorization = endpoint, _authorization(endpoint)
            return
        old = (self._session, self._watches)
        self._use(endpoint)
        for session in old:
            # Closing ends the requests and watches that still use the old certificates; their callers try again.
            await session.close()


class LocalTransport:
    """`wire.Transport` that calls an API server in this process; used by the simulation and by an agent inside its member."""

    def __init__(self, handler: Handler, name: str = "in this process") -> None:
        self._handler, self._name = handler, name

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._handler(request)
        except (TimeoutError, OSError) as error:
            raise _no_answer(error, self._name) from error

    async def open(self, request: Request) -> Response:
        return await self.send(request, timeout_s=30)

    async def close(self) -> None:
        """Nothing is held."""


async def connect(kubeconfig: str | None, context: str = "", *, clock: Clock) -> HttpTransport:
    """A transport from a kubeconfig and one of its contexts, or (None) from the service account of the pod this runs in.

    Raises `SettingInvalid` with what to do when that cannot be used. Does not send anything yet.
    """
    return await HttpTransport.of(Kubeconfig(kubeconfig, context) if kubeconfig else InCluster(), clock)


def _authorization(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": endpoint.authorization} if endpoint.authorization else {}


def _session(endpoint: Endpoint, connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=connections, ssl=endpoint.tls or False, keepalive_timeout=60)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        trust_env=not endpoint.loopback,
        read_bufsize=2**18,
    )


async def _chunks(answer: aiohttp.ClientResponse, base: str) -> AsyncIterator[bytes]:
    """Bytes as they come; not lines, because the reader of lines refuses an event above 4 MiB."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(error, base) from error
    finally:
        answer.close()


async def _rest(answer: aiohttp.ClientResponse, base: str) -> bytes:
    try:
        async with asyncio.timeout(10):
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(error, base) from error
    finally:
        answer.release()


def _no_answer(error: Exception, base: str) -> MemberUnavailable:
    text = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    lost = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError
    )
    return (ConnectionLost if lost else MemberUnavailable)(f"API server {base}: {text}")
