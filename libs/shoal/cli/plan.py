"""`shoal plan`: what would change, cluster by cluster and field by field, before anything is deployed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import click

from shoal.api.errors import SettingInvalid
from shoal.cli.client import find
from shoal.cli.output import for_programs, heading, output_option, state_option, table

Json = Mapping[str, Any]
REFUSED = 1
"""Exit code; 0 when nothing is refused, 5 when no hub answers."""
_SHOWN_MAX = 8
"""Clusters that one line names."""
_SIGNS = {
    "created": ("+", "green"),
    "held": ("+", "yellow"),
    "changed": ("~", "yellow"),
    "deleted": ("-", "red"),
    "kept": ("=", "yellow"),
    "failed": ("!", "red"),
}


@click.command()
@state_option
@output_option("json", "yaml")
@click.option(
    "-f", "--filename", "places", multiple=True, metavar="FILE|DIR|-", help="Manifests, YAML or JSON; - reads standard input. Repeatable."
)
@click.option("-R", "--recursive", is_flag=True, help="Also what lies in directories below DIR.")
@click.option("--set-image", "images", multiple=True, metavar="NAME=REF", help="New image of a container or repository; needs --app.")
@click.option("--delete", "deletes", multiple=True, metavar="VERSION/KIND/NAMESPACE/NAME", help="Suppose that this object is deleted.")
@click.option("--cluster-down", default="", metavar="NAME", help="Suppose that this cluster is lost.")
@click.option("--cluster-join", "joins", multiple=True, metavar="FILE", help="Suppose that this Cluster joins; repeatable.")
@click.option("--app", "application", default="", help="Application; default: the label of the manifests that names it.")
@click.option("--version", default="", help="Version, as the deploy would give it.")
@click.option("--rollback", is_flag=True, help="This version may be older than the live one.")
@click.option(
    "--source", default="", help="Who would deploy: fields that it sent before and does not send now go. Default: your user name."
)
@click.option("--id", "event_id", default="", help="Id of the deploy that is planned: `shoal deploy --id` with it has exactly this result.")
@click.option("--full", is_flag=True, help="Every field of objects that are new, too.")
def plan(
    *,
    state: Path,
    form: str | None,
    places: tuple[str, ...],
    recursive: bool,
    images: tuple[str, ...],
    deletes: tuple[str, ...],
    cluster_down: str,
    joins: tuple[str, ...],
    application: str,
    version: str,
    rollback: bool,
    event_id: str,
    source: str,
    full: bool,
) -> None:
    """What a deploy, a lost cluster or a new one would change. Nothing is written.

    Exit codes: 0 nothing is refused, 1 something is, 5 no hub.
    """
    from shoal.cli.deploy import application_of, image, read, sender

    manifests = [manifest for place in places for manifest in read(place, recursive=recursive)]
    if not (manifests or images or deletes or cluster_down or joins):
        raise click.UsageError("nothing to plan: give -f FILE, --set-image, --delete, --cluster-down or --cluster-join")
    if not application and manifests:
        try:
            application = application_of(manifests)
        except SettingInvalid:
            application = ""  # Then objects are taken as kubectl would send them.
    question = {
        "manifests": manifests,
        "delete": deletes,
        "images": dict(image(text) for text in images),
        "clusterDown": cluster_down,
        "clusterJoin": [manifest for place in joins for manifest in read(place)],
        "application": application,
        "version": version,
        "rollback": rollback,
        "id": event_id,
        "source": source or sender(),
    }
    found: dict[str, Any] = find(state).post("/api/plan", json.dumps({key: value for key, value in question.items() if value}).encode())
    if not for_programs(found, form):
        _show(found, full=full)
    sys.exit(REFUSED if found.get("refused") else 0)


def _show(found: Json, *, full: bool) -> None:
    for refusal in found.get("refused", []):
        click.secho(f"refused: {refusal['reason']}", fg="red", bold=True)
        click.echo(f"  {refusal['message']}")
        for field, sentence in refusal.get("violations", []):
            click.echo(f"  {field}: {sentence}")
    _objects(found.get("objects", []), {one["ref"] for one in found.get("manifests", [])})
    estimates = {one["ref"]: _rooms(one["rooms"]) for one in found.get("estimates", []) if one.get("rooms")}
    _placements(found.get("placements", []), estimates)
    _manifests(found.get("manifests", []), full=full)
    _unplaced(found.get("unplaced", []), estimates)
    if found.get("assumptions"):
        heading("Supposed")
        for sentence in found["assumptions"]:
            click.echo(f"  {sentence}")
    click.echo()
    click.echo(_summary(found))


def _summary(found: Json) -> str:
    moved = sum(one.get("moved", 0) for one in found.get("placements", []) if any((one.get("after") or {}).values()))
    manifests = found.get("manifests", [])
    clusters = {one["cluster"] for one in manifests}
    more = f"; {found['more']} more bindings are not listed" if found.get("more") else ""
    return (
        f"Plan at revision {found.get('revision', 0)}: {len(found.get('objects', []))} objects change, {moved} replicas move, "
        f"{len(manifests)} manifests differ in {len(clusters)} clusters{more}. Nothing was written."
    )


def _objects(objects: Sequence[Json], rendered: Set[str]) -> None:
    """Fields of what no cluster gets, such as policies; those of the others are told cluster by cluster."""
    if not objects:
        return
    heading("Objects of the hub")
    for one in objects:
        click.echo(f"  {_sign(one['action'])} {one['ref']}")
        for field in one.get("fields", []) if one["action"] == "changed" and one["ref"] not in rendered else ():
            click.echo(f"      {field['path']}: {_change(field)}")


def _placements(placements: Sequence[Json], estimates: Mapping[str, str]) -> None:
    if not placements:
        return
    heading("Placements")
    rows = [(one["ref"], _division(one.get("before")), _after(one), one.get("moved") or "") for one in placements]
    table(("OBJECT", "FROM", "TO", "MOVE"), rows, indent="  ")
    for one in placements:
        for leaving in one.get("leaving", []):
            waits = f", waits for {leaving['waitFor']}" if leaving.get("waitFor") else ""
            click.echo(f"  {one['ref']} leaves {leaving['cluster']}: {leaving['reason']}, its copy is {leaving['copy']}{waits}")
        if one["ref"] in estimates:
            click.echo(f"  {one['ref']}: {estimates[one['ref']]}")
        for sentence in one.get("rounds", []):
            click.echo(f"  {one['ref']}: {sentence}")
        if one.get("recheckAfterS") is not None:
            click.echo(f"  {one['ref']}: decided again after {one['recheckAfterS']:.0f} s, when a toleration ends")


def _rooms(rooms: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {room}" for name, room in list(rooms.items())[:_SHOWN_MAX])
    more = f" and {len(rooms) - _SHOWN_MAX} more" if len(rooms) > _SHOWN_MAX else ""
    return f"estimates: {shown}{more} (asked of the agents)"


def _after(one: Json) -> str:
    if one.get("deleted"):
        return "deleted"
    told = _division(one.get("after"))
    return f"{told} (or {_division(one['alternative'])}, by the uid it gets)" if one.get("alternative") else told


def _division(targets: Mapping[str, int | None] | None) -> str:
    return ", ".join(name if count is None else f"{name}={count}" for name, count in (targets or {}).items()) or "(nowhere)"


def _manifests(manifests: Sequence[Json], *, full: bool) -> None:
    if not manifests:
        return
    heading("Manifests of the clusters")
    for one, clusters in _alike(manifests):
        click.echo(f"  {_sign(one['action'])} {one['ref']} in {', '.join(clusters)}{_by(one)}")
        if one.get("error"):
            click.echo(f"      {one['error']}")
        if one["action"] in ("created", "held") and not full:
            continue
        for field in one.get("fields", []):
            click.echo(f"      {field['path']}: {_change(field)}")


def _alike(manifests: Sequence[Json]) -> Iterator[tuple[Json, list[str]]]:
    """Equal changes of several clusters are told once."""
    groups: dict[str, tuple[Json, list[str]]] = {}
    for one in manifests:
        key = json.dumps({name: value for name, value in one.items() if name != "cluster"}, sort_keys=True)
        groups.setdefault(key, (one, []))[1].append(one["cluster"])
    yield from groups.values()


def _by(one: Json) -> str:
    return f" (overridden by {', '.join(dict.fromkeys(one['overrides']))})" if one.get("overrides") else ""


def _change(field: Json) -> str:
    if field.get("secret"):
        return "changed"
    before, after = field.get("before"), field.get("after")
    return f"{'(none)' if before is None else _text(before)} -> {'(none)' if after is None else _text(after)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unplaced(unplaced: Sequence[Json], estimates: Mapping[str, str]) -> None:
    if not unplaced:
        return
    heading("Not placed as asked")
    for one in unplaced:
        click.echo(f"  {one['ref']}: {one['reason']}: {one.get('summary', '')}")
        if one["ref"] in estimates:
            click.echo(f"      {estimates[one['ref']]}")
        for rejected in one.get("rejected", []):
            click.echo(f"      {rejected['cluster']}: {rejected['reason']} {rejected.get('detail', '')}".rstrip())


def _sign(action: str) -> str:
    sign, colour = _SIGNS[action]
    return click.style(f"{sign} {action}", fg=colour)
