"""The gateway over HTTP, for the command line: where it is, requests, and its streams of events."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shoal.api.errors import Retryable, Terminal

REQUEST_LIMIT_S = 30.0


class HubUnreachable(Retryable):
    """No gateway answers at that address."""

    reason = "HubUnreachable"


class HubRefused(Terminal):
    """The gateway answered with an error; `reason` and the text are its own, `body` is the whole answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message") or f"the hub answered {status}")
        self.status, self.body = status, body
        self.reason = body.get("reason") or str(status)


class Hub:
    """One gateway. Every call opens its own connection: a command makes few, and a hub may be replaced between two of them."""

    def __init__(self, url: str, token: str = "", ca_file: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Terminal(f"SHOAL_URL={url} is no address of a hub; write http://host:port or https://host:port")
        self.url, self._parts, self._token, self._ca_file = url.rstrip("/"), parts, token, ca_file

    def get(self, path: str) -> Any:
        """The decoded answer. Raises `HubUnreachable`, `HubRefused`."""
        return self._answer(*self._send("GET", path))

    def post(self, path: str, body: bytes) -> Any:
        """Sends JSON; the decoded answer. Raises `HubUnreachable`, `HubRefused`."""
        return self._answer(*self._send("POST", path, body))

    def events(self, path: str, *, silence_s: float | None = None) -> Iterator[Any]:
        """The decoded data of each server-sent event, until the stream ends. Raises `HubUnreachable` when it breaks or stays silent."""
        connection, response = self._send("GET", path, accept="text/event-stream", limit_s=silence_s)
        if response.status != 200:
            self._answer(connection, response)
        lines: list[str] = []
        try:
            while raw := response.readline():
                line = raw.decode().rstrip("\r\n")
                if line.startswith("data:"):
                    lines.append(line[5:].removeprefix(" "))
                elif not line and lines:
                    yield json.loads("\n".join(lines))
                    lines = []
        except (OSError, http.client.HTTPException) as error:
            raise HubUnreachable(f"the stream from {self.url} broke: {error}") from error
        finally:
            connection.close()

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        accept: str = "application/json",
        limit_s: float | None = REQUEST_LIMIT_S,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._connect(limit_s)
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise HubUnreachable(
                f"no hub answers at {self.url} ({error}); is it up? `shoal up` starts one, `shoal status` shows it"
            ) from error

    def _connect(self, limit_s: float | None) -> http.client.HTTPConnection:
        assert self._parts.hostname
        if self._parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_file or None)
            return http.client.HTTPSConnection(self._parts.hostname, self._parts.port, timeout=limit_s, context=context)
        return http.client.HTTPConnection(self._parts.hostname, self._parts.port, timeout=limit_s)

    def _answer(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Any:
        try:
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise HubUnreachable(f"the answer from {self.url} broke off: {error}") from error
        finally:
            connection.close()
        try:
            body = json.loads(content or b"null")
        except ValueError:
            body = {"message": f"{self.url} answered {response.status} with no JSON; is that a hub?"}
            raise HubRefused(response.status, body) from None
        if response.status in (502, 503, 504):
            raise HubUnreachable(f"the hub at {self.url} cannot answer now: {(body or {}).get('message', response.status)}")
        if response.status >= 400:
            raise HubRefused(response.status, body if isinstance(body, dict) else {})
        return body


def find(state: Path) -> Hub:
    """The hub of SHOAL_URL, else the one that `shoal up` started in this directory. Raises `HubUnreachable` when there is neither."""
    url = os.environ.get("SHOAL_URL", "")
    if url:
        return Hub(url, os.environ.get("SHOAL_TOKEN", ""), os.environ.get("SHOAL_CA_FILE", ""))
    try:
        found = json.loads((state / "run" / "hub.json").read_bytes())
    except (OSError, ValueError) as error:
        raise HubUnreachable(f"no hub in {state}; `shoal up --state {state}` starts one, or set SHOAL_URL (and SHOAL_TOKEN)") from error
    return Hub(found["url"], found.get("token", ""), found.get("ca", ""))
