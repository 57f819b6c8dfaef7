"""`shoal up` and `shoal down`: the whole hub and its member clusters as processes of one machine."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import click

from shoal.api.errors import Terminal
from shoal.cli import topology
from shoal.cli.bootstrap import create_streams, known_streams
from shoal.cli.client import Hub
from shoal.cli.launch import bus_child, bus_url, hub_children, member_children, plan_of, write_access
from shoal.cli.output import Waiting, state_option
from shoal.cli.ports import Ports
from shoal.cli.readiness import wait_ready
from shoal.runtime import control
from shoal.runtime.clock import Deadline
from shoal.runtime.plan import Layout
from shoal.runtime.supervise import survivors


@click.command()
@state_option
@click.option(
    "--members", help="How many embedded clusters, or their names: m1,m2 or m1:vendor/region/zone,... Default: as before, else 3."
)
@click.option("--member", "real", multiple=True, metavar="NAME=KUBECONFIG", help="A real cluster, by its kubeconfig; repeatable.")
@click.option(
    "--member-nodes", "nodes", type=click.IntRange(0), help="Simulated nodes per embedded cluster. 0: nothing becomes ready by itself."
)
@click.option("--member-restart", "restart_s", type=click.FloatRange(0), help="Seconds a killed member stays away.  [default: 20]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the hub; 0 keeps the last one, or takes any that is free.")
@click.option("--timeout", "limit_s", type=float, default=60.0, show_default=True, help="Seconds until everything must be ready.")
@click.option("--foreground", is_flag=True, help="Stay, and stop everything with Ctrl-C.")
def up(
    *,
    state: Path,
    members: str | None,
    real: tuple[str, ...],
    nodes: int | None,
    restart_s: float | None,
    port: int,
    limit_s: float,
    foreground: bool,
) -> None:
    """Start a hub and member clusters on this machine; returns when everything is ready.

    What runs already in the same directory is kept; further members named here join it.
    """
    layout, deadline, waiting = Layout(state), Deadline(limit_s), Waiting()
    fresh = control.living(layout) is None
    clusters = topology.wanted(members, real, topology.read(layout.directory / "members.json"), nodes=nodes, restart_s=restart_s)
    try:
        url = start(layout, clusters, port=port, deadline=deadline)
        wait_ready(layout, Hub(url), [cluster.name for cluster in clusters], deadline, waiting)
    except BaseException:
        waiting.end()
        if fresh:
            control.down(layout)
        raise
    waiting.end()
    _welcome(layout, url, clusters, deadline.spent_s)
    if foreground:
        _stay(layout)


def start(layout: Layout, clusters: list[topology.Member], *, port: int, deadline: Deadline) -> str:
    """Starts everything and makes the streams; returns the hub's address without waiting until it is ready."""
    ours = frozenset(name for name, _, _ in survivors(layout))
    ports = Ports(layout.directory / "ports.json")
    bus = bus_child(layout, ports, ours="nats" in ours)
    hub = hub_children(layout, ports, port=port, ours=ours)
    agents = member_children(layout, ports, clusters, ours=ours)
    ports.save()
    topology.write(layout.directory / "members.json", clusters)
    url = write_access(layout, ports, clusters)
    everything = plan_of([bus], hub, agents)
    known = layout.directory / "streams.json"
    # Services refuse a bus without streams: the very first time it is started and filled before them.
    control.launch(layout, everything if known_streams(known) or ours else plan_of([bus]))
    create_streams(bus_url(ports), known=known, limit_s=max(deadline.left_s, 1.0))
    control.launch(layout, everything)
    return url


def _welcome(layout: Layout, url: str, clusters: list[topology.Member], took_s: float) -> None:
    places = ", ".join(f"{cluster.name} ({'/'.join(filter(None, (cluster.provider, cluster.region)))})" for cluster in clusters)
    option = "" if layout.directory == Path(".shoal").absolute() else f" --state {layout.directory}"
    click.secho(f"Shoal is up: {len(clusters)} clusters ready in {took_s:.1f} s", fg="green", bold=True)
    click.echo(f"  hub       {url}")
    click.echo(f"  clusters  {places}")
    click.echo(f"  kubectl   kubectl --kubeconfig {layout.kubeconfig} get clusters")
    click.echo(f"  deploy    shoal deploy{option} -f examples/shop")
    click.echo(f"  look      shoal status{option}")
    click.echo(f"  stop      shoal down{option}")


def _stay(layout: Layout) -> None:
    """Blocks until Ctrl-C or SIGTERM, then stops everything."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    try:
        while control.living(layout) is not None:
            Deadline(3600.0).pause(0.5)
    except KeyboardInterrupt:
        click.echo("stopping", err=True)
        control.down(layout)
        return
    raise Terminal(f"the supervisor is gone; see {layout.log('supervisor')}, and `shoal down` to end what it left")


@click.command()
@state_option
@click.option("--purge", is_flag=True, help="Forget everything: the bus's store, the members' journals, the logs.")
def down(state: Path, purge: bool) -> None:
    """Stop everything that `shoal up` started in this directory, also when its supervisor was killed."""
    layout = Layout(state)
    ours = layout.plan.exists()
    running = len(survivors(layout)) if ours else 0
    killed = control.down(layout) if ours else []
    for name in killed:
        click.echo(f"{name} did not stop in time and was killed", err=True)
    click.echo(f"stopped {running} processes" if running else f"nothing runs in {layout.directory}")
    if purge and ours:  # Only a directory that `up` made: a plan lies in it.
        shutil.rmtree(layout.directory)
        click.echo(f"forgot {layout.directory}")
