"""A change's table while it moves: redrawn on a terminal, else one line for each step of each cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from shoal.cli.output import coloured, table

HEADERS = ("OBJECT", "CLUSTER", "STATE", "REPLICAS", "IMAGE", "MESSAGE")
_COLOURS = {"ready": "green", "applied": "cyan", "accepted": "yellow", "failed": "red", "unreachable": "red", "superseded": "magenta"}


def show(states: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Shows all of them; the last one."""
    return _redrawn(states) if sys.stdout.isatty() else _printed(states)


def _redrawn(states: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    from rich.live import Live

    last: Mapping[str, Any] = {}
    with Live(auto_refresh=False) as live:
        for last in states:
            live.update(_drawn(last), refresh=True)
    return last


def _drawn(state: Mapping[str, Any]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        *HEADERS,
        box=SIMPLE_HEAD,
        title=f"{state.get('application', '')} {state.get('version', '')}: {state.get('state', '')}",
        title_justify="left",
    )
    for row in rows(state):
        drawn.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    return drawn


def _printed(states: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One line whenever one cluster's copy of one object got into another state, and the whole table at the end."""
    last: Mapping[str, Any] = {}
    seen: dict[tuple[str, str], str] = {}
    for last in states:
        for ref, cluster, state, _, _, message in rows(last):
            if seen.get((ref, cluster)) != state:
                seen[ref, cluster] = state
                click.echo(f"  {coloured(state)}: {ref} in {cluster or '(nowhere yet)'} {message}".rstrip())
    if last:
        click.echo(f"{last.get('application', '')} {last.get('version', '')}: {coloured(str(last.get('state', '')))}")
        table(HEADERS, list(rows(last)))
    return last


def rows(state: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """One row per object and cluster."""
    for item in state.get("objects", []):
        for place in item.get("clusters") or [{}]:
            replicas = place.get("replicas")
            message = " ".join(filter(None, (place.get("reason"), place.get("message"))))
            count = "" if replicas is None else str(replicas)
            yield str(item.get("ref", "")), place.get("cluster", ""), place.get("state", ""), count, place.get("image", ""), message
