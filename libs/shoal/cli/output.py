"""How commands print: tables for people, JSON or YAML for programs, one moving line for what takes long."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

GOOD = frozenset({"Ready", "Healthy", "ready", "applied", "running", "ok", "accepted", "True"})
BAD = frozenset({"Lost", "Unhealthy", "failed", "Unreachable", "unreachable", "stopped", "False", "error"})
UNSURE = frozenset({"Suspect", "Unknown", "waiting", "Joining", "superseded", "starting", "pending"})


def state_option(command: F) -> F:
    """`--state DIR`, for every command that needs a hub."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path),
        default=".shoal",
        envvar="SHOAL_STATE",
        show_default=True,
        help="Where `shoal up` keeps things.",
    )(command)


def output_option(*forms: str) -> Callable[[F], F]:
    """`-o FORM`; without it a table."""
    return click.option("-o", "--output", "form", type=click.Choice(forms), help="For programs; else a table.")


def for_programs(data: Any, form: str | None) -> bool:
    """Prints data as JSON or YAML when that was asked for; False when a table is wanted."""
    if form == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif form == "yaml":
        from shoal.api.yaml import dump

        click.echo(dump(data), nl=False)
    return form is not None


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, indent: str = "") -> None:
    """Columns aligned with blanks, as kubectl does it; a state word has its colour on a terminal."""
    texts = [tuple("" if cell is None else str(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
    click.secho(indent + _line(headers, widths, plain=True), bold=True)
    for row in texts:
        click.echo(indent + _line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int], *, plain: bool = False) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    padded[-1] = cells[-1]
    return "   ".join(padded if plain else map(coloured, padded))


def coloured(text: str) -> str:
    """The text with the colour of the state it names, if it names one."""
    word = text.strip()
    colour = "green" if word in GOOD else "red" if word in BAD else "yellow" if word in UNSURE else None
    return click.style(text, fg=colour) if colour else text


def heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def age(moment: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 moment was: `12s`, `5m`, `3h`, `2d`; empty when it is not known."""
    if not moment:
        return ""
    try:
        seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return moment
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"


class Waiting:
    """One line on stderr that says what is waited for: rewritten on a terminal, else a new line when it changed; after a second."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""

    def show(self, text: str, passed_s: float) -> None:
        if passed_s < 1.0:
            return
        if self._terminal:
            click.echo(f"\r\033[K  {text} ({passed_s:.0f} s)", nl=False, err=True)
        elif text != self._shown:
            click.echo(f"  {text} ({passed_s:.0f} s)", err=True)
        self._shown = text

    def end(self) -> None:
        if self._terminal and self._shown:
            click.echo("\r\033[K", nl=False, err=True)
        self._shown = ""
