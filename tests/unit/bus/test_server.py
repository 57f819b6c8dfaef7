"""The server's configuration and the settings of a connection."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from shoal.api.errors import SettingInvalid
from shoal.bus.nats.failures import ApiError, refusal_of
from shoal.bus.nats.options import BusSettings, connection_options
from shoal.bus.nats.server import check_version, find_server, server_command, server_config, server_version, store_key
from shoal.bus.serve import mend_store


def test_the_binary_is_found_and_new_enough() -> None:
    assert server_version(find_server())


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        pytest.param("2.14.3", True, id="just"),
        pytest.param("2.15.1", True, id="newer"),
        pytest.param("3.0.0-beta.1", True, id="major"),
        pytest.param("2.14.2", False, id="one-too-old"),
        pytest.param("2.9.10", False, id="debian"),
        pytest.param("", False, id="unknown"),
    ],
)
def test_versions(version: str, fits: bool) -> None:
    if fits:
        check_version(version, "here")
        return
    with pytest.raises(SettingInvalid, match=r"2\.14\.3"):
        check_version(version, "here")


def test_a_binary_that_does_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="does not run"):
        server_version(tmp_path / "nats-server")


def test_the_configuration_is_for_loopback_synced_and_encrypted(tmp_path: Path) -> None:
    text = server_config(tmp_path / 'with "quotes"', 4333)
    for line in ('listen: "127.0.0.1:4333"', "sync_interval: always", "cipher: aes", "key: $SHOAL_STORE_KEY", "max_payload: 8MB"):
        assert line in text
    assert r"with \"quotes\"/jetstream" in text
    for unwanted in ("websocket", "mqtt", "leafnodes", "gateway", "http"):
        assert unwanted not in text
    assert "cipher" not in server_config(tmp_path, encrypted=False)


def test_the_key_is_made_once_and_only_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOAL_STORE_KEY", raising=False)
    key = store_key(tmp_path / "new")
    assert len(key) >= 32
    assert store_key(tmp_path / "new") == key
    assert stat.S_IMODE((tmp_path / "new" / "store.key").stat().st_mode) == 0o600
    monkeypatch.setenv("SHOAL_STORE_KEY", "given")
    assert store_key(tmp_path / "new") == "given"


@pytest.mark.parametrize(
    ("url", "credentials", "ca_file", "told"),
    [
        pytest.param("nats://127.0.0.1:4222", "", "", None, id="loopback"),
        pytest.param("nats://localhost:4222", "", "", None, id="localhost"),
        pytest.param("nats://[::1]:4222", "", "", None, id="loopback-6"),
        pytest.param("nats://10.0.0.1:4222", "", "", "SHOAL_BUS_CREDENTIALS_FILE", id="away-without-credentials"),
        pytest.param("nats://10.0.0.1:4222", "user pass", "", "tls://", id="away-without-tls"),
        pytest.param("tls://10.0.0.1:4222", "", "", "SHOAL_BUS_CREDENTIALS_FILE", id="tls-is-not-enough"),
        pytest.param("tls://10.0.0.1:4222", "user pass", "", None, id="away"),
        pytest.param("nats://127.0.0.1:4222,nats://10.0.0.1:4222", "", "", "10.0.0.1", id="one-of-several"),
        pytest.param("nats://127.0.0.1:4222", "a b c", "", "neither", id="strange-file"),
        pytest.param("nats://127.0.0.1:4222", "", "missing.pem", "SHOAL_BUS_CA_FILE", id="no-such-ca"),
        pytest.param("127.0.0.1", "", "", "host", id="no-scheme"),
    ],
)
def test_off_loopback_needs_credentials_and_tls(tmp_path: Path, url: str, credentials: str, ca_file: str, told: str | None) -> None:
    file = tmp_path / "credentials"
    file.write_text(credentials)
    settings = BusSettings(url=url, credentials_file=str(file) if credentials else "", ca_file=str(tmp_path / ca_file) if ca_file else "")
    if told is None:
        options = connection_options(settings)
        assert options.get("user") == ("user" if credentials else None)
        return
    with pytest.raises(SettingInvalid, match=told):
        connection_options(settings)


def test_a_missing_credentials_file_is_told() -> None:
    with pytest.raises(SettingInvalid, match="cannot be read"):
        connection_options(BusSettings(url="nats://127.0.0.1:1", credentials_file="/does/not/exist"))


@pytest.mark.parametrize(
    ("code", "err_code", "reason"),
    [
        pytest.param(400, 10071, "RevisionConflict", id="wrong-last-sequence"),
        pytest.param(400, 10201, "RevisionConflict", id="part-of-a-batch-is-there"),
        pytest.param(503, 10008, "BusUnavailable", id="no-leader"),
        pytest.param(503, 1, "BusUnavailable", id="any-503"),
        pytest.param(404, 10059, "StreamDrifted", id="no-stream"),
        pytest.param(400, 10054, "Invalid", id="too-large"),
        pytest.param(400, 10166, "Error", id="anything-else-is-terminal"),
    ],
)
def test_refusals_of_the_server(code: int, err_code: int, reason: str) -> None:
    assert refusal_of(ApiError(code, err_code, "wrong last sequence: 4"), "deed", 3).reason == reason


@pytest.mark.parametrize(
    ("files", "encrypted", "removed"),
    [
        pytest.param({"1.blk": 34, "1.key": 64, "2.blk": 0}, True, {"2.blk"}, id="killed-before-the-key"),
        pytest.param({"1.blk": 34, "1.key": 64, "2.blk": 0, "2.key": 0}, True, {"2.blk", "2.key"}, id="killed-while-writing-the-key"),
        pytest.param({"1.blk": 34, "1.key": 64, "2.blk": 0, "2.key": 64}, True, set(), id="whole"),
        pytest.param({"1.blk": 34}, True, set(), id="never-what-holds-something"),
        pytest.param({"1.blk": 0}, False, set(), id="not-encrypted"),
    ],
)
def test_a_block_without_its_key_is_taken_away(tmp_path: Path, files: dict[str, int], encrypted: bool, removed: set[str]) -> None:
    """At its sight the server would delete the whole stream."""
    stream = tmp_path / "jetstream" / "jetstream" / "$G" / "streams" / "STATE"
    (stream / "msgs").mkdir(parents=True)
    if encrypted:
        (stream / "meta.key").write_bytes(b"k" * 64)
    for name, size in files.items():
        (stream / "msgs" / name).write_bytes(b"x" * size)
    mend_store(tmp_path)
    assert {path.name for path in (stream / "msgs").iterdir()} == files.keys() - removed


def test_every_start_mends_the_store_first_and_keeps_the_process_id(tmp_path: Path) -> None:
    stream = tmp_path / "jetstream" / "jetstream" / "$G" / "streams" / "STATE"
    (stream / "msgs").mkdir(parents=True)
    (stream / "meta.key").write_bytes(b"k")
    block = stream / "msgs" / "2.blk"
    block.touch()
    binary = tmp_path / "server"
    binary.write_text('#!/bin/sh\necho "$$ $1 $2"\n')
    binary.chmod(0o700)
    with subprocess.Popen(server_command(binary, tmp_path, tmp_path / "c.conf"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said, warned = process.communicate(timeout=20)
    assert said.decode().split() == [str(process.pid), "--config", str(tmp_path / "c.conf")]
    assert not block.exists()
    assert str(block) in warned.decode()
