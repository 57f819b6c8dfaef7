"""Entry of `shoal` and `kubectl-shoal`: the table of commands. A module is imported when its command is called: help stays fast."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from shoal.api.errors import ManifestInvalid, ShoalError

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "On this machine": {
        "up": ("up", "Start a hub and member clusters here; returns when everything is ready."),
        "down": ("up", "Stop all of it; --purge forgets it."),
        "member": ("member", "Add, stop, start or kill one member cluster."),
        "bootstrap": ("bootstrap", "Create the streams of a bus (done by `up`)."),
    },
    "Looking": {
        "status": ("status", "Is anything wrong? Clusters, moves, changes, processes."),
        "clusters": ("status", "Member clusters and their health."),
        "where": ("status", "Where an application runs: clusters, replicas, image, health."),
        "explain": ("explain", "Why these clusters, and why not the others."),
        "replay": ("explain", "A past decision, made again from what was known then."),
        "trace": ("trace", "Each hop of one change, with its time."),
        "events": ("events", "What happened; -f follows."),
    },
    "Doing": {
        "plan": ("plan", "What a deploy, a lost cluster or a new one would change; nothing is written."),
        "deploy": ("deploy", "Send manifests or a new image to the hub and follow them to every cluster."),
    },
}
"""Heading -> command -> (module, one line). The line stands here so that help need not import the module."""

UNREACHABLE = 5
"""Exit code when the hub does not answer; 2 is wrong usage."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in GROUPS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for commands in GROUPS.values():
            if cmd_name in commands:
                module = importlib.import_module(f"shoal.cli.{commands[cmd_name][0]}")
                command: click.Command = getattr(module, cmd_name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="shoal", message="shoal %(version)s")
def shoal() -> None:
    """Many Kubernetes clusters as one.

    A hub is found by SHOAL_URL (and SHOAL_TOKEN), else by --state DIR (or SHOAL_STATE, else .shoal), where `shoal up` keeps it.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Runs a command; an expected error becomes one sentence and an exit code."""
    try:
        return shoal.main(arguments, prog_name="shoal")
    except ManifestInvalid as error:
        _complain(str(error))
        for field, sentence in error.violations:
            click.echo(f"  {field}: {sentence}", err=True)
        sys.exit(1)
    except ShoalError as error:
        _complain(str(error))
        sys.exit(UNREACHABLE if error.reason == "HubUnreachable" else 1)


def _complain(sentence: str) -> None:
    click.echo(f"{click.style('error', fg='red', bold=True)}: {sentence}", err=True)
