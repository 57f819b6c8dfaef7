"""A change's table while it moves: redrawn on a terminal, else one line for each step of each cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from shoal.cli.output import coloured, table

HEADERS = ("OBJECT", "CLUSTER", "STATE", "REPLICAS", "IMAGE", "MESSAGE")
_ON_ITS_WAY = frozenset({"", "accepted", "pending", "rendered"})
"""States that pass within milliseconds; a log without a terminal leaves them out."""
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
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*HEADERS, box=SIMPLE_HEAD, title=_title(state), title_justify="left")
    for row in rows(state):
        drawn.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    return Group(drawn, Text(_kept(state), style="dim"))


def _printed(states: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One line whenever an object came further in some clusters, and the whole table at the end."""
    last: Mapping[str, Any] = {}
    seen: dict[tuple[str, str], str] = {}
    for last in states:
        moved: dict[tuple[str, str, str], list[str]] = {}
        for ref, cluster, state, _, _, message in rows(last):
            if state not in _ON_ITS_WAY and seen.get((ref, cluster)) != state:
                moved.setdefault((ref, state, message), []).append(cluster)
            seen[ref, cluster] = state
        for (ref, state, message), clusters in moved.items():
            click.echo(f"  {coloured(state)}: {ref} in {', '.join(clusters)} {message}".rstrip())
    if last:
        click.echo(_title(last))
        table(HEADERS, list(rows(last)))
        click.echo(_kept(last))
    return last


def _title(state: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (state.get("application"), state.get("version")))) + f": {state.get('state', '')}"


def rows(state: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """One row per object and cluster; workloads first. What stays in the hub has no row."""
    items = state.get("objects", [])
    for item in sorted(items, key=lambda item: not any(place.get("replicas") is not None for place in item.get("clusters") or ())):
        for place in item.get("clusters") or _nowhere(item):
            replicas = place.get("replicas")
            message = " ".join(filter(None, (place.get("reason"), place.get("message"))))
            count = "" if replicas is None else str(replicas)
            yield str(item.get("ref", "")), place.get("cluster", ""), place.get("state", ""), count, place.get("image", ""), message


def _nowhere(item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The row of an object that should be placed and is not, with the reason; none for what stays in the hub."""
    return [{**item, "cluster": "(nowhere)"}] if item.get("reason") else []


def _kept(state: Mapping[str, Any]) -> str:
    """What has no copy in any cluster and needs none, in one line: policies."""
    refs = [str(item.get("ref", "")) for item in state.get("objects", []) if not (item.get("clusters") or _nowhere(item))]
    return f"in the hub alone: {', '.join(refs)}" if refs else ""
