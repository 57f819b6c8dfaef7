"""How to reach the bus: settings, and the arguments for nats-py that come out of them."""

from __future__ import annotations

import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shoal.api.errors import SettingInvalid

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the bus."""

    url: str
    """`nats://host:port`, or several with commas; `tls://` off loopback."""
    credentials_file: str = ""
    """A NATS credentials file (user JWT and seed), or a file with `user` and `password` in two lines, or with a token in one."""
    ca_file: str = ""
    """PEM file of the authority that signed the server's certificate; empty takes the system's."""
    prefix: str = ""
    """Put before every subject of ours (`hub.` for an agent whose account imports the hub's subjects under `hub.>`)."""


def connection_options(settings: BusSettings) -> dict[str, Any]:
    """Arguments for nats-py. Raises `SettingInvalid` when the bus is off loopback without credentials and TLS, or a file is unusable."""
    hosts = {urlsplit(url.strip()).hostname for url in settings.url.split(",")}
    if None in hosts:
        raise SettingInvalid(f"SHOAL_BUS_URL {settings.url!r} has no host; write nats://127.0.0.1:4222")
    away = sorted(str(host) for host in hosts - _LOOPBACK)
    if away and not settings.credentials_file:
        raise SettingInvalid(f"the bus at {', '.join(away)} is off this machine: set SHOAL_BUS_CREDENTIALS_FILE")
    tls = any(urlsplit(url.strip()).scheme == "tls" for url in settings.url.split(","))
    if away and not (tls or settings.ca_file):
        raise SettingInvalid(f"the bus at {', '.join(away)} is off this machine: use a tls:// address (and SHOAL_BUS_CA_FILE)")
    options = _credentials(settings.credentials_file) if settings.credentials_file else {}
    if tls or settings.ca_file:
        options["tls"] = _tls(settings.ca_file)
    return options


def _credentials(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise SettingInvalid(f"SHOAL_BUS_CREDENTIALS_FILE {path} cannot be read: {error.strerror}") from error
    if "BEGIN NATS USER JWT" in text:
        if find_spec("nkeys") is None:  # Only signed accounts need it; nats-py imports it by itself.
            raise SettingInvalid("a NATS credentials file needs the package nkeys: pip install 'nats-py[nkeys]'")
        return {"user_credentials": path}
    match text.split():
        case [user, password]:
            return {"user": user, "password": password}
        case [token]:
            return {"token": token}
        case _:
            raise SettingInvalid(f"SHOAL_BUS_CREDENTIALS_FILE {path} holds neither a NATS user, nor a user and a password, nor a token")


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingInvalid(f"SHOAL_BUS_CA_FILE {ca_file} is not a readable PEM file: {error}") from error
