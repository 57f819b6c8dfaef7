"""`shoal status`, `shoal clusters`, `shoal where`: how things are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from shoal.api.errors import ShoalError
from shoal.cli.client import find
from shoal.cli.output import age, for_programs, heading, output_option, state_option, table
from shoal.cli.readiness import processes
from shoal.runtime.clock import SystemClock
from shoal.runtime.plan import Layout

Row = Mapping[str, Any]


@click.command()
@state_option
@output_option("json", "yaml")
def status(state: Path, form: str | None) -> None:
    """Is anything wrong? Then clusters not ready, moves under way, the oldest change that is not everywhere, processes."""
    running = [msgspec.to_builtins(one) for one in processes(Layout(state))]
    try:
        found: dict[str, Any] = find(state).get("/api/status")
    except ShoalError as error:
        if not running:
            raise
        found = {"problems": [{"subject": "hub", "message": str(error)}], "clusters": [], "moves": [], "oldest_change": None}
    found["processes"] = running
    found["problems"] = [*found.get("problems", []), *_process_problems(running)]
    if not for_programs(found, form):
        _show(found, SystemClock().now())


def _process_problems(running: Sequence[Row]) -> list[dict[str, str]]:
    return [
        {"subject": f"process {one['name']}", "message": f"{one['health']} {one['detail']}".strip()}
        for one in running
        if one["health"] != "ready"
    ]


def _show(found: Row, now: datetime) -> None:
    problems: Sequence[Any] = found["problems"]
    click.secho(f"{len(problems)} problems" if problems else "Nothing is wrong.", fg="red" if problems else "green", bold=True)
    for problem in problems:
        click.echo(f"  {problem.get('subject', '')}: {problem.get('message', '')}")
    clusters = found.get("clusters", [])
    ready = sum(bool(cluster.get("ready")) for cluster in clusters)
    heading(f"Clusters: {ready} of {len(clusters)} ready")
    show_clusters([cluster for cluster in clusters if not cluster.get("ready")], now)
    moves = found.get("moves", [])
    heading(f"Moves under way: {len(moves)}")
    if moves:
        rows = [
            (
                _ref(move),
                move.get("from", ""),
                ", ".join(move.get("to", [])),
                move.get("reason", ""),
                age(move.get("since"), now),
                move.get("waitsFor", ""),
            )
            for move in moves
        ]
        table(("OBJECT", "FROM", "TO", "REASON", "SINCE", "WAITS FOR"), rows, indent="  ")
    oldest = found.get("oldest_change")
    heading("Oldest change that is not everywhere: " + (_change(oldest, now) if oldest else "none"))
    for missing in (oldest or {}).get("missing", []):
        why = " ".join(filter(None, (missing.get(key) for key in ("state", "reason", "message"))))
        click.echo(f"  {_ref(missing)} in {missing.get('cluster') or '(nowhere yet)'}: {why}")
    if found["processes"]:
        heading("Processes")
        rows = [(p["name"], p["pid"] or "", p["health"], p["restarts"], p["address"], p["detail"]) for p in found["processes"]]
        table(("NAME", "PID", "HEALTH", "RESTARTS", "ADDRESS", ""), rows, indent="  ")


def _change(change: Row, now: datetime) -> str:
    return f"{change['change']} ({change.get('application', '')} {change.get('version', '')}, {age(change.get('acceptedAt'), now)} ago)"


def _ref(item: Row) -> str:
    """`apps/Deployment/shop/web`; the hub writes refs as that text."""
    return str(item.get("ref", ""))


@click.command()
@state_option
@output_option("json", "yaml")
def clusters(state: Path, form: str | None) -> None:
    """Member clusters, and how they are."""
    found: list[dict[str, Any]] = find(state).get("/api/clusters")
    if not for_programs(found, form):
        show_clusters(found, SystemClock().now()) if found else click.echo("no clusters")


def show_clusters(found: Sequence[Row], now: datetime) -> None:
    if not found:
        return
    rows = [
        (
            cluster["name"],
            cluster.get("state", ""),
            age(cluster.get("since"), now),
            cluster.get("provider", ""),
            cluster.get("region", ""),
            cluster.get("zone", ""),
            "{readyNum}/{totalNum}".format(**{"readyNum": 0, "totalNum": 0, **(cluster.get("nodes") or {})}),
            cluster.get("version", ""),
            cluster.get("message", ""),
        )
        for cluster in found
    ]
    table(("NAME", "STATE", "SINCE", "PROVIDER", "REGION", "ZONE", "NODES", "VERSION", "MESSAGE"), rows)


@click.command()
@click.argument("app")
@state_option
@output_option("json", "yaml")
def where(app: str, state: Path, form: str | None) -> None:
    """Where an application runs: its objects, cluster by cluster."""
    found: dict[str, Any] = find(state).get(f"/api/where/{quote(app, safe='')}")
    if for_programs(found, form):
        return
    version = f" version {found['version']}" if found.get("version") else ""
    click.secho(f"{found.get('application', app)}{version}", bold=True)
    rows = [
        (item["ref"] if first else "", *_place(place))
        for item in sorted(found["objects"], key=_workloads_first)
        for first, place in [(index == 0, place) for index, place in enumerate(item.get("clusters") or [{}])]
    ]
    table(("OBJECT", "CLUSTER", "REPLICAS", "HEALTH", "IMAGE", "MESSAGE"), rows)


def _workloads_first(item: Row) -> bool:
    return not any(place.get("replicas") is not None for place in item.get("clusters") or ())


def _place(place: Row) -> tuple[object, ...]:
    if not place:
        return ("(nowhere)", "", "", "", "")
    replicas = place.get("replicas")
    ready = place.get("ready")
    count = "" if replicas is None else f"{replicas}" if ready is None else f"{ready}/{replicas}"
    message = " ".join(filter(None, (place.get("reason"), place.get("message"))))
    return (place.get("cluster", ""), count, place.get("health", ""), place.get("image", ""), message)
