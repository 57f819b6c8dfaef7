from __future__ import annotations

import pytest

from shoal.api.errors import SettingInvalid
from shoal.runtime.config import AgentConfig, GatewayConfig, MonitorConfig, SchedulerConfig, is_loopback, load, unknown_variables

MEMBER = {"SHOAL_CLUSTER": "m1", "SHOAL_EMBEDDED_DIR": "/state/m1"}


def test_defaults_need_no_environment() -> None:
    config = load(SchedulerConfig, {})
    assert (config.name, config.bus_url, config.http_port) == ("scheduler", "nats://127.0.0.1:4222", 0)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        pytest.param("SHOAL_BEAT_INTERVAL_S", "1.5", "beat_interval_s", 1.5, id="number"),
        pytest.param("SHOAL_HTTP_PORT", "8080", "http_port", 8080, id="whole-number"),
        pytest.param("SHOAL_ZONES", "a, b,", "zones", ("a", "b"), id="list"),
        pytest.param("SHOAL_LABELS", "tier=gold,empty=", "labels", {"tier": "gold", "empty": ""}, id="map"),
        pytest.param("SHOAL_LOG_LEVEL", "debug", "log_level", "debug", id="choice"),
        pytest.param("SHOAL_REGION", "", "region", "", id="empty-is-not-set"),
        pytest.param("SHOAL_HTTP_PORT", "", "http_port", 0, id="empty-keeps-the-default"),
    ],
)
def test_load_converts(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(load(AgentConfig, MEMBER | {variable: text}), field) == value


@pytest.mark.parametrize(
    ("kind", "environment", "parts"),
    [
        pytest.param(AgentConfig, {}, ("SHOAL_CLUSTER is not set", "Name of the member cluster"), id="required"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_API_TIMEOUT_S": "soon"}, ("SHOAL_API_TIMEOUT_S=soon", "write a number"), id="no-number"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_BEAT_INTERVAL_S": "-1"}, ("SHOAL_BEAT_INTERVAL_S=-1", "> 0"), id="too-small"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_HTTP_PORT": "70000"}, ("SHOAL_HTTP_PORT=70000", "<= 65535"), id="too-large"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_LOG_LEVEL": "loud"}, ("SHOAL_LOG_LEVEL=loud", "debug, info"), id="no-such-choice"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_LABELS": "gold"}, ("SHOAL_LABELS=gold", "key=value"), id="no-map"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_CLUSTER": "Mein Cluster"}, ("SHOAL_CLUSTER=Mein Cluster", "lower case"), id="name"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_IN_CLUSTER": "true"}, ("exactly one of",), id="two-members"),
        pytest.param(AgentConfig, {"SHOAL_CLUSTER": "m1"}, ("exactly one of",), id="no-member"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_BUS_URL": "localhost:4222"}, ("SHOAL_BUS_URL=localhost:4222", "scheme"), id="no-scheme"),
        pytest.param(AgentConfig, MEMBER | {"SHOAL_LEASE_S": "5"}, ("SHOAL_LEASE_S=5", "three beats"), id="lease-of-two-beats"),
        pytest.param(GatewayConfig, {"SHOAL_FEDERATED_HPA_TIMEOUT_S": "15"},
                     ("SHOAL_FEDERATED_HPA_TIMEOUT_S=15", "SHOAL_FEDERATED_HPA_SYNC_S"), id="answers-later-than-the-next-round"),
        pytest.param(MonitorConfig, {"SHOAL_GRACE_S": "5"}, ("SHOAL_GRACE_S=5", "three beats, 6"), id="grace-of-two-beats"),
        pytest.param(MonitorConfig, {"SHOAL_SUSPECT_AFTER_S": "7"}, ("SHOAL_SUSPECT_AFTER_S=7", "SHOAL_GRACE_S"), id="suspect-after-lost"),
        pytest.param(GatewayConfig, {"SHOAL_HTTP_HOST": "0.0.0.0"}, ("SHOAL_TOKENS_FILE", "SHOAL_TLS_CERT_FILE"), id="open-door"),
        pytest.param(GatewayConfig, {"SHOAL_TLS_CERT_FILE": "/c"}, ("SHOAL_TLS_KEY_FILE is not set",), id="certificate-without-key"),
        pytest.param(GatewayConfig, {"SHOAL_OBJECT_BYTES_MAX": "9999999"}, ("SHOAL_REQUEST_BYTES_MAX",), id="object-above-request"),
    ],
)  # fmt: skip
def test_load_refuses(kind: type[AgentConfig], environment: dict[str, str], parts: tuple[str, ...]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load(kind, environment)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SettingInvalid) as caught:
        load(SchedulerConfig, {"SHOAL_BUS_URL": "nats://a:4222,//user:secret@host"})
    assert "secret" not in str(caught.value)


def test_off_loopback_with_credentials_is_accepted() -> None:
    given = {"SHOAL_HTTP_HOST": "0.0.0.0", "SHOAL_TOKENS_FILE": "/t", "SHOAL_TLS_CERT_FILE": "/c", "SHOAL_TLS_KEY_FILE": "/k"}
    assert load(GatewayConfig, given).http_host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("hub.example", False),
    ],
)
def test_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_unknown_variables() -> None:
    assert unknown_variables({"SHOAL_BUS_URL": "", "SHOAL_BUSURL": "", "SHOAL_STATE": "", "HOME": ""}) == ["SHOAL_BUSURL"]
