"""`shoal member`: one member cluster of this machine. Made for trying out what happens when a cluster fails, returns or joins."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from shoal.api.errors import Terminal
from shoal.cli import topology
from shoal.cli.client import Hub
from shoal.cli.launch import member_child, member_children, plan_of, write_access
from shoal.cli.output import Waiting, state_option
from shoal.cli.ports import Ports
from shoal.cli.readiness import wait_ready
from shoal.runtime import control
from shoal.runtime.clock import Deadline
from shoal.runtime.plan import Layout, read_plan


@click.group()
def member() -> None:
    """Add, stop, start or kill one member cluster."""


@member.command()
@click.argument("name")
@state_option
def stop(name: str, state: Path) -> None:
    """Stop a member gracefully; it stays stopped."""
    _asked(state, "stop", name, "stopped; `shoal member start` brings it back")


@member.command()
@click.argument("name")
@state_option
def start(name: str, state: Path) -> None:
    """Start a member that was stopped or killed, now."""
    _asked(state, "start", name, "started")


@member.command()
@click.argument("name")
@state_option
def kill(name: str, state: Path) -> None:
    """SIGKILL a member, as a power cut would; it comes back by itself (`shoal up --member-restart`) or with `start`."""
    _asked(state, "kill", name, "killed")


def _asked(state: Path, action: str, name: str, done: str) -> None:
    layout = Layout(state)
    known = [one.name for one in topology.read(layout.directory / "members.json")]
    if name not in known:
        raise Terminal(f"no member {name}; there are: {', '.join(known) or 'none'}")
    control.ask(layout, action, member_child(name))
    click.echo(f"{name} {done}")


@member.command()
@click.argument("spec", metavar="NAME[:VENDOR/REGION/ZONE][=KUBECONFIG]")
@state_option
@click.option("--nodes", type=click.IntRange(0), default=3, show_default=True, help="Simulated nodes.")
@click.option("--timeout", "limit_s", type=float, default=60.0, show_default=True, help="Seconds until it must be Ready; 0 does not wait.")
def add(spec: str, state: Path, nodes: int, limit_s: float) -> None:
    """Start one more member cluster beside those that run."""
    layout, deadline, waiting = Layout(state), Deadline(limit_s), Waiting()
    if control.living(layout) is None:
        raise Terminal(f"nothing runs in {layout.directory}; start it with `shoal up`")
    clusters = topology.read(layout.directory / "members.json")
    new = msgspec.structs.replace(topology.parse(spec, len(clusters)), nodes=nodes)
    if new.name in {cluster.name for cluster in clusters}:
        raise Terminal(f"there is a member {new.name} already")
    ports = Ports(layout.directory / "ports.json")
    # Only this child is added: the others keep the settings they were started with, whatever the environment says now.
    plan = plan_of(read_plan(layout).children, member_children(layout, ports, [new], ours=frozenset()))
    ports.save()
    topology.write(layout.directory / "members.json", [*clusters, new])
    url = write_access(layout, ports, [*clusters, new])
    control.launch(layout, plan)
    if limit_s:
        wait_ready(layout, Hub(url), [new.name], deadline, waiting)
        waiting.end()
    click.echo(f"{new.name} {'is ready' if limit_s else 'starts'} ({'/'.join(filter(None, (new.provider, new.region, new.zone)))})")
