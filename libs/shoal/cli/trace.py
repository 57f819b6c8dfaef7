"""`shoal trace`: how a change travelled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from shoal.cli.client import find
from shoal.cli.output import for_programs, output_option, state_option, table


@click.command()
@click.argument("change")
@state_option
@output_option("json", "yaml")
def trace(change: str, state: Path, form: str | None) -> None:
    """Each hop of one change, with its time: accepted, scheduled, rendered, applied, reported."""
    hops: list[dict[str, Any]] = find(state).get(f"/api/trace/{quote(change, safe='')}")
    if for_programs(hops, form):
        return
    rows = [
        (_after(hop), hop.get("hop", ""), hop.get("service", ""), hop.get("ref", ""), hop.get("cluster", ""), hop.get("detail", ""))
        for hop in hops
    ]
    table(("AFTER", "HOP", "BY", "OBJECT", "CLUSTER", "DETAIL"), rows)


def _after(hop: Mapping[str, Any]) -> str:
    after = hop.get("afterMs")
    return "" if after is None else f"{after:.0f} ms".rjust(8)
