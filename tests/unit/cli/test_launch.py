from __future__ import annotations

from pathlib import Path

import pytest

from shoal.cli.launch import environment, hub_children, member_children, write_access
from shoal.cli.ports import Ports
from shoal.cli.topology import Member
from shoal.runtime.config import AgentConfig, GatewayConfig, MonitorConfig, ServiceConfig, load
from shoal.runtime.plan import Layout


@pytest.mark.parametrize(
    ("kind", "given", "result"),
    [
        pytest.param(MonitorConfig, {"SHOAL_GRACE_S": "9"}, {"SHOAL_NAME": "x", "SHOAL_GRACE_S": "9"}, id="a-setting-of-it"),
        pytest.param(GatewayConfig, {"SHOAL_GRACE_S": "9"}, {"SHOAL_NAME": "x"}, id="a-setting-of-another"),
        pytest.param(GatewayConfig, {"SHOAL_NAME": "y"}, {"SHOAL_NAME": "x"}, id="what-up-decides-wins"),
        pytest.param(GatewayConfig, {"SHOAL_LOG_LEVEL": ""}, {"SHOAL_NAME": "x"}, id="empty-is-not-set"),
    ],
)
def test_environment(kind: type[ServiceConfig], given: dict[str, str], result: dict[str, str]) -> None:
    assert environment(kind, {"name": "x"}, given) == result


def test_every_child_has_settings_that_its_service_accepts(tmp_path: Path) -> None:
    layout, ports = Layout(tmp_path), Ports(tmp_path / "ports.json")
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("real")
    members = [Member(name="m1", provider="alpha", region="eu", zone="eu-a", nodes=0), Member(name="r1", kubeconfig=str(kubeconfig))]
    hub = hub_children(layout, ports, port=None, ours=frozenset())
    agents = member_children(layout, ports, members, ours=frozenset())
    assert [child.name for child in [*hub, *agents]] == [
        "gateway", "scheduler", "override-renderer", "health-monitor", "member-m1", "member-r1",
    ]  # fmt: skip
    gateway = load(GatewayConfig, hub[0].environment)
    embedded, real = (load(AgentConfig, child.environment) for child in agents)
    assert (embedded.cluster, embedded.embedded_nodes, embedded.zones, real.kubeconfig) == ("m1", 0, ("eu-a",), str(kubeconfig))
    assert embedded.bus_url == gateway.bus_url
    assert len({gateway.http_port, embedded.embedded_port, int(gateway.bus_url.rpartition(":")[2])}) == 3

    url = write_access(layout, ports, members)
    assert url == f"http://127.0.0.1:{gateway.http_port}"
    assert f"server: {url}\n" in layout.kubeconfig.read_text()
    assert embedded.embedded_kubeconfig == str(layout.member_kubeconfig("m1"))  # It writes it, since it makes the token.
    assert layout.member_kubeconfig("r1").read_text() == "real"
