"""Kubeconfigs and service accounts: what is read, and what is said of those that cannot be used."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shoal.api.errors import SettingInvalid
from shoal.kube.client import lean
from shoal.kube.client.credentials import Endpoint, InCluster, Kubeconfig


def kubeconfig(path: Path, *, user: dict[str, Any] | None = None, current: str = "one", **cluster: Any) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example", **cluster}} for name in ("one", "two")],
        "users": [{"name": "me", "user": user or {"token": "secret"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in ("one", "two")],
    }
    path.write_text(json.dumps(content))
    return str(path)


def certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime(2026, 1, 1)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9999))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem


def read(source: Kubeconfig | InCluster) -> Endpoint:
    return asyncio.run(source.read())


def test_the_current_context_and_another_one(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config")
    current, other = read(Kubeconfig(path)), read(Kubeconfig(path, "two"))
    assert (current.base, current.authorization) == ("https://one.example", "Bearer secret")
    assert (current.tls is not None, current.loopback) == (True, False)
    assert other.base == "https://two.example"


def test_plain_http_on_this_machine(tmp_path: Path) -> None:
    endpoint = read(Kubeconfig(kubeconfig(tmp_path / "config", server="http://127.0.0.1:6443/")))
    assert (endpoint.base, endpoint.tls, endpoint.loopback) == ("http://127.0.0.1:6443", None, True)


def test_a_client_certificate_leaves_no_key_on_the_disk(tmp_path: Path) -> None:
    crt, key = (base64.b64encode(part).decode() for part in certificate())
    user = {"client-certificate-data": crt, "client-key-data": key}
    endpoint = read(Kubeconfig(kubeconfig(tmp_path / "config", user=user, **{"certificate-authority-data": crt})))
    assert (endpoint.authorization, endpoint.tls is not None, lean.kube_config._temp_files) == ("", True, {})


@pytest.mark.parametrize(
    ("content", "context", "text"),
    [
        pytest.param(None, "", "does not exist", id="missing"),
        pytest.param("", "", "no kubeconfig", id="empty"),
        pytest.param("just text", "", "no kubeconfig", id="text"),
        pytest.param("a: [", "", "no kubeconfig", id="broken-yaml"),
        pytest.param('{"kind": "Config"}', "", "cannot be used", id="without-contexts"),
        pytest.param("ok", "three", "no context 'three'", id="unknown-context"),
        pytest.param("ok:ftp://example", "", "must be an address", id="wrong-scheme"),
        pytest.param("ok:https://example:port", "", "must be an address", id="wrong-port"),
        pytest.param("ok:6443", "", "must be an address", id="port-alone"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(tmp_path: Path, content: str | None, context: str, text: str) -> None:
    path = tmp_path / "config"
    if content is not None and content.startswith("ok"):
        kubeconfig(path, **({"server": content[3:]} if ":" in content else {}))
    elif content is not None:
        path.write_text(content)
    with pytest.raises(SettingInvalid, match=text) as caught:
        read(Kubeconfig(str(path), context))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("data", ["bm8gY2VydGlmaWNhdGU=", "%%%"], ids=["no-certificate", "no-base64"])
def test_a_certificate_that_cannot_be_read_says_so(tmp_path: Path, data: str) -> None:
    with pytest.raises(SettingInvalid, match="config"):
        read(Kubeconfig(kubeconfig(tmp_path / "config", **{"certificate-authority-data": data})))


def service_account(folder: Path, token: str = "first\n") -> InCluster:
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(certificate()[0])
    return InCluster(folder, {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"})


def test_a_service_account(tmp_path: Path) -> None:
    endpoint = read(service_account(tmp_path))
    # The file ends with a newline, which no header may hold.
    assert (endpoint.base, endpoint.authorization) == ("https://10.96.0.1:443", "Bearer first")


def test_outside_of_a_pod_it_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="give a kubeconfig"):
        read(InCluster(tmp_path, {}))


def test_a_new_token_changes_the_fingerprint_but_not_the_connection(tmp_path: Path) -> None:
    source = service_account(tmp_path)
    before, mark = read(source), source.fingerprint()
    (tmp_path / "token").write_text("second")
    os.utime(tmp_path / "token", ns=(1, 1))
    after = read(source)
    assert source.fingerprint() != mark
    assert (after.authorization, after.connection == before.connection) == ("Bearer second", True)


def test_a_new_ca_needs_a_new_connection(tmp_path: Path) -> None:
    source = service_account(tmp_path)
    before = read(source)
    (tmp_path / "ca.crt").write_bytes(certificate()[0])
    assert read(source).connection != before.connection


def test_a_file_that_is_away_for_a_moment_is_a_change_and_no_error(tmp_path: Path) -> None:
    source = service_account(tmp_path)
    mark = source.fingerprint()
    (tmp_path / "token").unlink()
    assert source.fingerprint() != mark
