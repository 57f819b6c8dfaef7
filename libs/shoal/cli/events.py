"""`shoal events`: facts in the past tense, as the hub publishes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from shoal.cli.client import HubUnreachable, find
from shoal.cli.output import output_option, state_option
from shoal.runtime.clock import Deadline

_AGAIN_AFTER_S = 1.0


@click.command()
@state_option
@output_option("json")
@click.option("-f", "--follow", is_flag=True, help="Stay and print what happens.")
@click.option("--type", "kind", default="", help="Only types that begin so, such as deploy or cluster.lost.")
@click.option("--since", default="", help="From this RFC 3339 moment, or from the event with this id.")
def events(*, state: Path, form: str | None, follow: bool, kind: str, since: str) -> None:
    """What happened, newest last; with -f also what happens next. `-o json` prints one event per line."""
    hub = find(state)
    for event in hub.get(_path(since)):
        _print(event, form, kind)
        since = event["id"]
    while follow:
        try:
            for event in hub.events(_path(since)):
                _print(event, form, kind)
                since = event["id"]
        except HubUnreachable as error:
            click.echo(f"{error}; trying again", err=True)
        Deadline(_AGAIN_AFTER_S).pause(_AGAIN_AFTER_S)  # A hub that restarts closes the stream; the next one goes on where this one ended.


def _path(since: str) -> str:
    return "/api/events" + (f"?since={quote(since, safe='')}" if since else "")


def _print(event: Mapping[str, Any], form: str | None, kind: str) -> None:
    if not str(event.get("type", "")).startswith(kind):
        return
    if form == "json":
        click.echo(json.dumps(event, ensure_ascii=False))
        return
    subject, data = event.get("subject", ""), event.get("data") or {}
    told = " ".join(f"{key}={value}" for key, value in data.items() if isinstance(value, str | int | float) and value not in {"", subject})
    click.echo(f"{str(event.get('time', ''))[:23]:23}  {event.get('type', ''):22}  {subject}  {click.style(told, dim=True)}")
