"""The plan of one machine's hub: which processes with which settings, and the files that say how to reach it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from shoal.cli.ports import Ports
from shoal.cli.topology import Member
from shoal.runtime.config import AgentConfig, GatewayConfig, MonitorConfig, RendererConfig, SchedulerConfig, ServiceConfig, variable
from shoal.runtime.files import write_whole
from shoal.runtime.plan import ChildSpec, Layout, Plan

BUS = "nats"
HUB: tuple[tuple[str, type[ServiceConfig]], ...] = (
    ("shoal_gateway", GatewayConfig),
    ("shoal_scheduler", SchedulerConfig),
    ("shoal_override_renderer", RendererConfig),
    ("shoal_health_monitor", MonitorConfig),
)
_DECIDED = frozenset({
    "name", "state_dir", "bus_url", "bus_credentials_file", "bus_ca_file", "bus_prefix", "http_host", "http_port", "tokens_file",
    "tls_cert_file", "tls_key_file", "cluster", "kubeconfig", "context", "in_cluster", "provider", "region", "zones", "embedded_dir",
    "embedded_port", "embedded_nodes", "embedded_kubeconfig",
})  # fmt: skip
"""Settings that are another value for each process or follow from running on one machine; the caller's own are for something else."""
_LAST_PHASE = 1
"""The bus is stopped after everything that writes to it."""


def member_child(name: str) -> str:
    """Name of the process of a member cluster."""
    return f"member-{name}"


def bus_child(layout: Layout, ports: Ports, *, ours: bool) -> ChildSpec:
    """nats-server with a configuration written now. Raises `SettingInvalid` when it is missing or too old."""
    from shoal.bus.nats import server

    binary = server.find_server()
    server.server_version(binary)
    port = ports.get(BUS, ours=ours)
    place = layout.directory / "nats"
    config = place / "nats.conf"
    write_whole(config, server.server_config(place, port).encode())
    return ChildSpec(
        name=BUS,
        command=server.server_command(binary, place, config),
        environment=server.server_environment(place),
        stop_phase=_LAST_PHASE,
    )


def hub_children(layout: Layout, ports: Ports, *, port: int | None, ours: frozenset[str]) -> list[ChildSpec]:
    """The four services. `port` of the gateway: None keeps the remembered one."""
    children = []
    for module, kind in HUB:
        name = _default_name(kind)
        settings = {"name": name, "bus_url": bus_url(ports), "state_dir": str(layout.directory)}
        if kind is GatewayConfig:
            settings["http_port"] = str(ports.get(name, wanted=port or 0, ours=name in ours))
        children.append(ChildSpec(name=name, command=python("-m", module), environment=environment(kind, settings, os.environ)))
    return children


def member_children(layout: Layout, ports: Ports, members: Sequence[Member], *, ours: frozenset[str]) -> list[ChildSpec]:
    """One agent per member; that of an embedded member is the cluster, too."""
    children = []
    for member in members:
        name = member_child(member.name)
        settings = {
            "name": name,
            "cluster": member.name,
            "bus_url": bus_url(ports),
            "state_dir": str(layout.directory),
            "provider": member.provider,
            "region": member.region,
            "zones": member.zone,
        }
        if member.kubeconfig:
            settings["kubeconfig"] = member.kubeconfig
        else:
            settings["embedded_dir"] = str(layout.members / member.name)
            settings["embedded_port"] = str(ports.get(name, ours=name in ours))
            settings["embedded_nodes"] = str(member.nodes)
            settings["embedded_kubeconfig"] = str(layout.member_kubeconfig(member.name))
        children.append(
            ChildSpec(
                name=name,
                command=python("-m", "shoal_agent"),
                environment=environment(AgentConfig, settings, os.environ),
                restart_after_s=member.restart_s,
                restart_max_s=member.restart_s,  # A cluster is away as long as the user said, however often it fails.
            )
        )
    return children


def python(*arguments: str) -> tuple[str, ...]:
    """This interpreter, with these arguments."""
    return (sys.executable, *arguments)


def environment(kind: type[ServiceConfig], settings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The settings of a service: what `up` decides, and beside it what whoever called `up` had set for this service."""
    own = {field.name for field in msgspec.structs.fields(kind)} - _DECIDED
    passed = {name: given[variable(name)] for name in own if given.get(variable(name))}
    return {variable(name): value for name, value in sorted({**passed, **settings}.items()) if value}


def bus_url(ports: Ports) -> str:
    return f"nats://127.0.0.1:{ports.get(BUS, ours=True)}"


def _default_name(kind: type[ServiceConfig]) -> str:
    return str(next(field.default for field in msgspec.structs.fields(kind) if field.name == "name"))


def write_access(layout: Layout, ports: Ports, members: Sequence[Member]) -> str:
    """Kubeconfigs of the hub and of every real member, and `hub.json` for the command line. Returns the hub's address."""
    url = f"http://127.0.0.1:{ports.get('gateway', ours=True)}"
    write_whole(layout.kubeconfig, kubeconfig("shoal", url).encode())
    for member in members:
        if member.kubeconfig:  # An embedded member writes its own, with its token.
            write_whole(layout.member_kubeconfig(member.name), Path(member.kubeconfig).read_bytes())
    write_whole(layout.hub, msgspec.json.encode({"url": url, "token": "", "kubeconfig": str(layout.kubeconfig)}))
    return url


def kubeconfig(name: str, server: str) -> str:
    """A kubeconfig for a server on loopback that asks nobody who he is."""
    return f"""apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {server}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
    namespace: default
users:
- name: {name}
  user: {{}}
"""


def plan_of(*children: Sequence[ChildSpec]) -> Plan:
    return Plan(children=tuple(child for group in children for child in group))
