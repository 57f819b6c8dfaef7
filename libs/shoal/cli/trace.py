"""`shoal trace`: how a change travelled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from shoal.api.errors import Terminal
from shoal.cli.client import find
from shoal.cli.output import for_programs, output_option, state_option, table


@click.command()
@click.argument("change")
@click.argument("name", required=False, default="", metavar="[KIND/NAME]")
@state_option
@output_option("json", "yaml")
def trace(change: str, name: str, state: Path, form: str | None) -> None:
    """Each hop of one change, with its time: accepted, scheduled, rendered, applied, reported; of one object, when it is named."""
    hops: list[dict[str, Any]] = [hop for hop in find(state).get(f"/api/trace/{quote(change, safe='')}") if _is_of(hop, name)]
    if name and not hops:
        raise Terminal(f"change {change} has no hop of {name}; without a name all of them are shown")
    if for_programs(hops, form):
        return
    rows = [
        (_after(hop), hop.get("hop", ""), hop.get("service", ""), hop.get("ref", ""), hop.get("cluster", ""), hop.get("detail", ""))
        for hop in hops
    ]
    table(("AFTER", "HOP", "BY", "OBJECT", "CLUSTER", "DETAIL"), rows)


def _is_of(hop: Mapping[str, Any], name: str) -> bool:
    """`Deployment/web` names `apps/Deployment/shop/web`, as `web` alone does."""
    parts = str(hop.get("ref", "")).split("/")
    kind, _, last = name.rpartition("/")
    return not name or (parts[-1] == last and (not kind or kind in parts[:-1]))


def _after(hop: Mapping[str, Any]) -> str:
    after = hop.get("afterMs")
    return "" if after is None else f"{after:.0f} ms".rjust(8)
