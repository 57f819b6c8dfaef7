"""Where an API server is and how to prove who we are: a kubeconfig or the files of a pod, and when they have to be read again."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import yaml

from shoal.api.errors import SettingInvalid
from shoal.kube.client import lean

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One API server with everything that a request to it needs."""

    base: str
    """URL without a trailing slash."""
    authorization: str
    """Value of the Authorization header; empty where a client certificate or nothing is used."""
    tls: ssl.SSLContext | None
    """None for plain HTTP."""
    server_name: str | None
    """Name to check in the server's certificate, where it differs from the host."""
    proxy: str | None
    connection: bytes
    """Digest of everything that a connection is made with; another token alone leaves it, and with it the open connections, as they are."""

    @property
    def shown(self) -> str:
        """Scheme, host and port: what a message may show."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")

    @property
    def loopback(self) -> bool:
        """True on this machine, where a proxy of the environment has no business."""
        host = urlsplit(self.base).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


class Source(Protocol):
    """One way to get an `Endpoint`; it is read again when its files changed or the server answers 401."""

    async def read(self) -> Endpoint:
        """Raises `SettingInvalid` with what to write when the files cannot be used."""
        ...

    def fingerprint(self) -> tuple[int, ...]:
        """Changes when a file changed; cheap (a few stat calls)."""
        ...


class Kubeconfig:
    """A kubeconfig file with one of its contexts; exec plugins, OIDC, tokens and certificates as kubectl has them."""

    def __init__(self, path: str, context: str = "") -> None:
        self.path, self.context = os.path.expanduser(path), context
        self._files: tuple[str, ...] = (self.path,)

    async def read(self) -> Endpoint:
        if not _is_file(self.path):
            raise SettingInvalid(f"kubeconfig {self.path} does not exist; give the path of a kubeconfig file")
        configuration = lean.Configuration()
        try:
            await lean.kube_config.load_kube_config(
                config_file=self.path, context=self.context or None, client_configuration=configuration, persist_config=False
            )
        except (lean.ConfigException, yaml.YAMLError, ValueError, AttributeError, AssertionError, KeyError, TypeError, OSError) as error:
            # The loader meets a file that is no kubeconfig with whatever its first wrong step raises.
            raise SettingInvalid(self._what_is_wrong(error)) from error
        if not _is_address(configuration.host or ""):
            raise SettingInvalid(f"kubeconfig {self.path}: `server` must be an address like https://host:6443, not {configuration.host!r}")
        referenced = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
        endpoint = _endpoint(configuration, f"kubeconfig {self.path}")
        # The loader writes inline keys to files, and the TLS context has them now; a private key should not stay on the disk.
        lean.kube_config._cleanup_temp_files()
        self._files = (self.path, *(path for path in referenced if path and _is_file(path)))
        return endpoint

    def fingerprint(self) -> tuple[int, ...]:
        return _fingerprint(self._files)

    def _what_is_wrong(self, error: Exception) -> str:
        text = str(error) or type(error).__name__
        if self.context and "contexts list" in text:
            return f"kubeconfig {self.path} has no context {self.context!r}; `kubectl config get-contexts` lists the ones it has"
        if not isinstance(error, lean.ConfigException):
            text = f"it is no kubeconfig ({text})"
        return f"kubeconfig {self.path} cannot be used: {text}"


class InCluster:
    """The service account that Kubernetes mounts into a pod; the token and the CA are rotated under a running process."""

    def __init__(self, folder: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] = os.environ) -> None:
        self.token, self.ca, self.environ = str(folder / "token"), str(folder / "ca.crt"), dict(environ)

    async def read(self) -> Endpoint:
        configuration = lean.Configuration()
        try:
            # Its own refresh is left off: ours looks at the CA too.
            loader = lean.incluster_config.InClusterConfigLoader(self.token, self.ca, try_refresh_token=False, environ=self.environ)
            loader.load_and_set(configuration)
        except (lean.ConfigException, OSError) as error:
            raise SettingInvalid(
                f"no kubeconfig is given and this is no pod with a service account ({error}); give a kubeconfig"
            ) from error
        return _endpoint(configuration, f"service account in {os.path.dirname(self.token)}")

    def fingerprint(self) -> tuple[int, ...]:
        return _fingerprint((self.token, self.ca))


def _endpoint(configuration: lean.Configuration, origin: str) -> Endpoint:
    base = (configuration.host or "").rstrip("/")
    return Endpoint(
        base=base,
        # A mounted token ends with a newline, which no header may hold.
        authorization=configuration.api_key.get("BearerToken", "").strip(),
        tls=_tls(configuration, origin) if base.startswith("https://") else None,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        connection=_connection(configuration),
    )


def _connection(configuration: lean.Configuration) -> bytes:
    digest = hashlib.sha256(
        repr((configuration.host, configuration.tls_server_name, configuration.proxy, configuration.verify_ssl)).encode()
    )
    for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        digest.update(Path(path).read_bytes() if path else b"-")
    return digest.digest()


def _tls(configuration: lean.Configuration, origin: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    except (ssl.SSLError, OSError) as error:
        raise SettingInvalid(f"{origin}: its certificates cannot be read ({error})") from error
    # Clusters made before 2023 have CAs without the key identifiers that Python 3.13 began to demand; Go's client takes them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False  # A port that is no number.


def _is_file(path: str) -> bool:
    return os.path.isfile(path)


def _fingerprint(paths: tuple[str, ...]) -> tuple[int, ...]:
    """Times of change in nanoseconds, -1 for a file that is away just now (a mount being exchanged)."""
    times = []
    for path in paths:
        try:
            times.append(os.stat(path).st_mtime_ns)
        except OSError:
            times.append(-1)
    return tuple(times)
