"""`shoal explain` and `shoal replay`: why an object is where it is, and a past decision made again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from shoal.cli.client import find
from shoal.cli.output import for_programs, heading, output_option, state_option, table

Json = Mapping[str, Any]
_namespace = click.option("-n", "--namespace", default="", help="Of KIND/NAME; default: default.")


@click.command()
@click.argument("name", metavar="APP|KIND/NAME")
@_namespace
@state_option
@output_option("json", "yaml")
def explain(name: str, namespace: str, state: Path, form: str | None) -> None:
    """Why these clusters, and why not the others: as it was decided, and the reasons of now.

    APP is an application, KIND/NAME one object (deployment/web, pp/shop), GROUP/KIND/NAMESPACE/NAME as well (`_` for none).
    """
    found: Any = find(state).get(_path(name, namespace))
    if for_programs(found, form):
        return
    decisions: Sequence[Json] = found.get("objects", [found])
    for decision in decisions:
        if len(decisions) == 1 or not _follows(decision):
            _show(decision)
    following = [(str(one.get("ref", "")), _names(one)) for one in decisions if len(decisions) > 1 and _follows(one)]
    if following:
        heading("Follow the workloads that need them")
        table(("OBJECT", "RUNS IN"), following, indent="  ")


def _path(name: str, namespace: str) -> str:
    parts = name.split("/")
    if len(parts) == 4:
        return "/api/explain/" + "/".join(quote(part or "_", safe="") for part in parts)
    if len(parts) == 2:
        return "/api/explain?" + urlencode({"name": name} | ({"namespace": namespace} if namespace else {}))
    return f"/api/explain?app={quote(name, safe='')}"


def _follows(decision: Json) -> bool:
    """True for what has no policy of its own and is where its owners are."""
    return bool(decision.get("clusters")) and "/" not in (decision.get("policy") or "/")


def _names(decision: Json) -> str:
    return ", ".join(place["cluster"] for place in decision.get("clusters", []))


def _show(decision: Json) -> None:
    heading(str(decision.get("ref", "")))
    policy = decision.get("policy") or "no policy: nothing places it"
    click.echo(f"  policy    {policy}")
    for other, why in (decision.get("lostPolicies") or {}).items():
        click.echo(f"            not {other}: {why}")
    for one in decision.get("requiredBy", []):
        click.echo(f"  needed by {one['owner']} in {', '.join(one['clusters'])}")
    if decision.get("deleting"):
        click.echo(f"  deleting  {decision['deleting']}")
    if decision.get("summary"):
        click.echo(f"  decision  {decision['summary']}")
    if decision.get("revision"):
        click.echo(f"            decided {decision.get('decidedAt', '')}, revision {decision['revision']}")
    _targets(decision)
    _rejections(decision)
    for sentence in decision.get("rounds", []):
        click.echo(f"  {sentence}")
    _overrides(decision)
    _now(decision)


def _targets(decision: Json) -> None:
    targets = [(one["cluster"], one.get("replicas"), one.get("error") or one.get("reason", "")) for one in decision.get("clusters", [])]
    if any(why for _, _, why in targets):
        table(("RUNS IN", "REPLICAS", "WHY"), targets, indent="  ")
    elif targets:
        table(("RUNS IN", "REPLICAS"), [target[:2] for target in targets], indent="  ")
    leaving = [(one["cluster"], one.get("reason", ""), one.get("waitFor", "")) for one in decision.get("removals", [])]
    if leaving:
        table(("LEAVES", "REASON", "WAITS FOR"), leaving, indent="  ")


def _rejections(decision: Json) -> None:
    """Reasons of the recorded decision, and those of now where they differ; also the clusters that fit and are not needed."""
    now = decision.get("now") or {}
    used = {one["cluster"] for one in decision.get("clusters", [])}
    then_said = {one["cluster"]: _reason(one) for one in decision.get("rejected", [])}
    now_said = {one["cluster"]: _reason(one) for one in now.get("rejected", [])}
    now_said |= {one["cluster"]: f"fits, not needed (score {one['score']})" for one in now.get("fitting", []) if one["cluster"] not in used}
    rows = [(name, then_said.get(name, ""), now_said.get(name, "")) for name in sorted(then_said.keys() | now_said.keys())]
    if not rows:
        return
    if all(recorded == current or not current for _, recorded, current in rows):
        table(("NOT IN", "WHY"), [row[:2] for row in rows], indent="  ")
    elif all(not recorded for _, recorded, _ in rows):
        table(("NOT IN", "WHY NOW"), [(row[0], row[2]) for row in rows], indent="  ")
    else:
        table(("NOT IN", "WHY, WHEN DECIDED", "WHY NOW"), rows, indent="  ")


def _reason(rejection: Json) -> str:
    return " ".join(filter(None, (rejection.get("reason"), rejection.get("detail"))))


def _overrides(decision: Json) -> None:
    """In the order of application, the last one wins; clusters with the same edits share their rows."""
    groups: dict[str, tuple[list[str], list[Json]]] = {}
    for one in decision.get("clusters", []):
        if one.get("overrides"):
            groups.setdefault(json.dumps(one["overrides"], sort_keys=True), ([], one["overrides"]))[0].append(one["cluster"])
    rows = [
        (", ".join(names), number, edit.get("policy", ""), edit.get("field", ""), edit.get("operator", ""), _value(edit.get("value")))
        for names, edits in groups.values()
        for number, edit in enumerate(edits, 1)
    ]
    if rows:
        table(("OVERRIDDEN IN", "STEP", "BY", "FIELD", "", "VALUE"), rows, indent="  ")


def _now(decision: Json) -> None:
    now = decision.get("now") or {}
    if not now:
        return
    if now.get("reason") and not decision.get("requiredBy"):  # What follows its owners waits for no policy.
        click.echo(f"  now       {now['reason']}: {now.get('message', '')}")
    if now.get("changed"):
        click.echo(f"  now       it would be decided anew: {_division(now.get('clusters', []))}")
    afresh, here = _division(now.get("afresh", [])), _division(decision.get("clusters", []))
    if now.get("afresh") and afresh != here:
        click.echo(f"  from zero it would be placed as {afresh}")
        for sentence in now.get("rounds", []):
            click.echo(f"            {sentence}")


def _division(clusters: Sequence[Json]) -> str:
    return (
        ", ".join(f"{one['cluster']}" + (f"={one['replicas']}" if one.get("replicas") is not None else "") for one in clusters) or "nowhere"
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


@click.command()
@click.argument("name", metavar="APP|KIND/NAME")
@_namespace
@click.option(
    "--at", "revision", type=click.IntRange(min=1), help="The decision in force at this revision of the hub; default: the last one."
)
@click.option("--policy", "policies", multiple=True, metavar="FILE", help="Propagation policies instead of those of then; repeatable.")
@state_option
@output_option("json", "yaml")
def replay(name: str, namespace: str, revision: int | None, policies: tuple[str, ...], state: Path, form: str | None) -> None:
    """A past decision, made again from what the hub knew when it was made; with --policy: how it would have been decided.

    It says so when inputs are too old to be known. Revisions stand in `shoal explain` and in `resourceVersion`.
    """
    from shoal.cli.deploy import read

    question: dict[str, Any] = {"at": revision or 0, "policies": [one for place in policies for one in read(place)]}
    slashes = name.count("/")
    if slashes == 3:
        question["ref"] = "/".join(part or "_" for part in name.split("/"))
    elif slashes:
        question |= {"name": name, "namespace": namespace}
    else:
        question["application"] = name
    found: Any = find(state).post("/api/replay", json.dumps(question).encode())
    if for_programs(found, form):
        return
    for one in found["replays"]:
        _show_replay(one)
    if not found["replays"]:
        click.echo("nothing of it was decided then")


def _show_replay(one: Json) -> None:
    heading(f"{one['ref']} as decided in revision {one['revision']} (from the state at {one['viewPosition']}, {one.get('decidedAt', '')})")
    recorded, replayed = one["recordedDecision"], one.get("replayedDecision")
    for gone in one.get("agedOut", []):
        click.secho(f"  no longer known: {gone}", fg="yellow")
    if replayed is None:
        reason = f" ({one['reason']}: {one.get('message', '')})" if one.get("reason") else ""
        click.echo(f"  recorded  {_division(recorded['clusters'])}")
        click.echo("  replayed  cannot be decided again" if one.get("agedOut") else f"  replayed  no placement{reason}")
        return
    if one["same"]:
        click.secho(f"  the same again: {_division(recorded['clusters'])}", fg="green")
    else:
        table(
            ("", "RECORDED", "REPLAYED"),
            [
                ("policy", recorded["policy"], replayed["policy"]),
                ("runs in", _division(recorded["clusters"]), _division(replayed["clusters"])),
                ("leaves", _leaving(recorded), _leaving(replayed)),
                ("decision", recorded["summary"], replayed["summary"]),
            ],
            indent="  ",
        )
        for field in one.get("differences", []):
            click.echo(f"  {field['path']}: {_value(field.get('before')) or '(none)'} -> {_value(field.get('after')) or '(none)'}")
    for sentence in replayed.get("rounds", []):
        click.echo(f"  {sentence}")


def _leaving(decision: Json) -> str:
    return ", ".join(f"{one['cluster']} ({one['reason']})" for one in decision["removals"])
