"""`shoal trace` and `shoal explain`: how a change travelled, and why an application is where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from shoal.cli.client import find
from shoal.cli.output import for_programs, heading, output_option, state_option, table


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


@click.command()
@click.argument("app")
@state_option
@output_option("json", "yaml")
def explain(app: str, state: Path, form: str | None) -> None:
    """Why these clusters, and why not the others. APP is an application, or GROUP/KIND/NAMESPACE/NAME of one object (`_` for none)."""
    parts = app.split("/")
    path = "/".join(quote(part or "_", safe="") for part in parts)
    found: Any = find(state).get(f"/api/explain/{path}" if len(parts) == 4 else f"/api/explain?app={quote(app, safe='')}")
    if for_programs(found, form):
        return
    decisions: Sequence[Mapping[str, Any]] = found.get("objects", [found])
    for decision in decisions:
        if not _follows(decision):
            _show(decision)
    following = [
        (str(one.get("ref", "")), ", ".join(place["cluster"] for place in one.get("clusters", []))) for one in decisions if _follows(one)
    ]
    if following:
        heading("Follow the workloads that need them")
        table(("OBJECT", "RUNS IN"), following, indent="  ")


def _follows(decision: Mapping[str, Any]) -> bool:
    """True for what has no policy of its own and is where its owners are."""
    return bool(decision.get("clusters")) and "/" not in (decision.get("policy") or "/")


def _show(decision: Mapping[str, Any]) -> None:
    heading(str(decision.get("ref", "")))
    policy = decision.get("policy") or "no policy: nothing places it"
    click.echo(f"  policy    {policy}")
    for other, why in (decision.get("lostPolicies") or {}).items():
        click.echo(f"            not {other}: {why}")
    if decision.get("summary"):
        click.echo(f"  decision  {decision['summary']}")
    targets = [(one["cluster"], one.get("replicas"), one.get("reason", "")) for one in decision.get("clusters", [])]
    if any(why for _, _, why in targets):
        table(("RUNS IN", "REPLICAS", "WHY"), targets, indent="  ")
    elif targets:
        table(("RUNS IN", "REPLICAS"), [target[:2] for target in targets], indent="  ")
    leaving = [(one["cluster"], one.get("reason", ""), one.get("waitFor", "")) for one in decision.get("removals", [])]
    if leaving:
        table(("LEAVES", "REASON", "WAITS FOR"), leaving, indent="  ")
    _rejections(decision)
    for sentence in decision.get("rounds", []):
        click.echo(f"  {sentence}")


def _rejections(decision: Mapping[str, Any]) -> None:
    """Reasons of the recorded decision, and those of now where they differ."""
    then = {one["cluster"]: one for one in decision.get("rejected", [])}
    now = {one["cluster"]: one for one in decision.get("now", [])}
    rows = [(cluster, _reason(then.get(cluster)), _reason(now.get(cluster))) for cluster in sorted(then.keys() | now.keys())]
    if not rows:
        return
    if all(recorded == current or not current for _, recorded, current in rows):
        table(("NOT IN", "WHY"), [row[:2] for row in rows], indent="  ")
    else:
        table(("NOT IN", "WHY, WHEN DECIDED", "WHY NOW"), rows, indent="  ")


def _reason(rejection: Mapping[str, Any] | None) -> str:
    return " ".join(filter(None, (rejection.get("reason"), rejection.get("detail")))) if rejection else ""
