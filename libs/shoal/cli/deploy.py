"""`shoal deploy`: sends a deploy event and follows it until it is ready in every cluster, or says where it is not and why."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from shoal.api.errors import ManifestInvalid, SettingInvalid
from shoal.api.meta import Manifest
from shoal.cli.client import Hub, HubRefused, HubUnreachable, find
from shoal.cli.output import Waiting, output_option, state_option
from shoal.messages.catalogue import DeployData, DeployEvent
from shoal.runtime.clock import Deadline

READY, REFUSED, FAILED, TIMED_OUT = 0, 1, 3, 4
"""Exit codes; 5 is a hub that cannot be reached."""
_SEND_LIMIT_S = 15.0
"""How long an event is sent again while the hub does not answer: a restart takes less. Repeating is safe, the id is the same."""
_AGAIN_AFTER_S = 0.5
APPLICATION_LABELS = ("shoal.dev/application", "app.kubernetes.io/part-of", "app.kubernetes.io/instance")
_DONE = {"ready": READY, "failed": FAILED, "superseded": FAILED}


@click.command()
@state_option
@output_option("json")
@click.option(
    "-f", "--filename", "places", multiple=True, metavar="FILE|DIR|-", help="Manifests, YAML or JSON; - reads standard input. Repeatable."
)
@click.option("-R", "--recursive", is_flag=True, help="Also what lies in directories below DIR.")
@click.option("--set-image", "images", multiple=True, metavar="NAME=REF", help="New image of a container or repository; repeatable.")
@click.option(
    "--delete", "deletes", multiple=True, metavar="VERSION/KIND/NAMESPACE/NAME", help="Delete this object (apps/v1/Deployment/shop/web)."
)
@click.option("--app", "application", default="", help="Application; default: the label of the manifests that names it.")
@click.option("--version", default="", help="Version; an older one than the live one is refused unless --rollback.")
@click.option("--rollback", is_flag=True, help="This version may be older than the live one.")
@click.option("--id", "event_id", default="", help="Idempotency key; the same id again is answered as before. Default: a new one.")
@click.option("--source", default="", help="Who sends; ids count within it. Default: your user name.")
@click.option("--no-wait", is_flag=True, help="Return when the hub has accepted it.")
@click.option("--timeout", "limit_s", type=float, default=300.0, show_default=True, help="Seconds to follow it.")
def deploy(
    *,
    state: Path,
    form: str | None,
    places: tuple[str, ...],
    recursive: bool,
    images: tuple[str, ...],
    deletes: tuple[str, ...],
    application: str,
    version: str,
    rollback: bool,
    event_id: str,
    source: str,
    no_wait: bool,
    limit_s: float,
) -> None:
    """Send manifests or a new image to the hub, and follow them to every cluster.

    Exit codes: 0 ready everywhere, 1 refused, 3 failed or unreachable in some clusters, 4 not ready in time, 5 no hub.
    """
    manifests = [manifest for place in places for manifest in read(place, recursive=recursive)]
    changes = dict(image(text) for text in images)
    if not (manifests or changes or deletes):
        raise click.UsageError("nothing to deploy: give -f FILE, --set-image NAME=REF or --delete REF")
    event = DeployEvent(
        id=event_id or new_id(),
        source=source or sender(),
        data=DeployData(
            application=application or application_of(manifests),
            version=version,
            manifests=manifests,
            images=changes,
            delete=deletes,
            rollback=rollback,
            wait=not no_wait,
        ),
    )
    hub, deadline = find(state), Deadline(limit_s)
    answer = send(hub, event)
    _print_answer(answer, form)
    if not answer.get("accepted", True):
        sys.exit(REFUSED)
    if not no_wait:
        sys.exit(follow(hub, answer["change"], deadline, form))


def read(place: str, *, recursive: bool = False) -> list[Manifest]:
    """The objects of a file, a directory's files, or standard input. Raises `ManifestInvalid` with file, line and column."""
    from shoal.api.yaml import load_all

    if place == "-":
        return objects(load_all(sys.stdin.buffer.read(), source="standard input"), "standard input")
    path = Path(place)
    if not path.exists():
        raise SettingInvalid(f"there is no {place}")
    paths = [path] if path.is_file() else sorted(path.rglob("*") if recursive else path.iterdir())
    files = [one for one in paths if one.is_file() and (one == path or one.suffix in (".yaml", ".yml", ".json"))]
    if not files:
        raise SettingInvalid(f"{place} holds no .yaml, .yml or .json file" + ("" if recursive else "; -R looks below it"))
    return [manifest for file in files for manifest in objects(load_all(file.read_bytes(), source=str(file)), str(file))]


def objects(documents: Sequence[Any], source: str) -> list[Manifest]:
    """The objects of these documents; a List counts as its items. Raises `ManifestInvalid` for anything else."""
    found: list[Manifest] = []
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            raise ManifestInvalid(f"{source}: document {number} is no Kubernetes object; it needs apiVersion, kind and metadata.name")
        if document["kind"] == "List":
            found += objects(document.get("items") or [], source)
        else:
            found.append(document)
    return found


def application_of(manifests: Sequence[Manifest]) -> str:
    """The application that the manifests' labels name. Raises `SettingInvalid` when they name none, or several."""
    names = {name for manifest in manifests if (name := _label(manifest))}
    if len(names) == 1:
        return names.pop()
    what = f"the manifests belong to {', '.join(sorted(names))}" if names else f"no manifest has a label {' or '.join(APPLICATION_LABELS)}"
    raise SettingInvalid(f"{what}; say which application this is with --app NAME")


def _label(manifest: Manifest) -> str:
    labels = (manifest.get("metadata") or {}).get("labels") or {}
    return next((str(labels[key]) for key in APPLICATION_LABELS if labels.get(key)), "")


def image(text: str) -> tuple[str, str]:
    """(name, reference) of `NAME=REF`. Raises `click.BadParameter`."""
    name, separator, reference = text.partition("=")
    if not (name and separator and reference):
        raise click.BadParameter(f"{text}: write NAME=REF, such as web=registry.example/web:1.2", param_hint="--set-image")
    return name, reference


def sender() -> str:
    """Who sends when nobody is named; ids of events and owned fields count within it."""
    return getpass.getuser()


def new_id() -> str:
    from ulid import ULID

    return str(ULID())


def send(hub: Hub, event: DeployEvent) -> dict[str, Any]:
    """The hub's answer, also when it refuses. Sent again while no hub answers, for a few seconds. Raises `HubUnreachable`."""
    # Our structs leave defaults out; a CloudEvent names its version and type in any case.
    body = msgspec.json.encode({"specversion": event.specversion, "type": event.type, **msgspec.to_builtins(event)})
    deadline, waiting = Deadline(_SEND_LIMIT_S), Waiting()
    while True:
        try:
            answer: dict[str, Any] = hub.post("/deploy", body)
            waiting.end()
            return answer
        except HubRefused as error:
            return {"accepted": False, **error.body, "reason": error.reason, "message": str(error)}
        except HubUnreachable:
            if deadline.passed:
                raise
            waiting.show("waiting for the hub", deadline.spent_s)
            deadline.pause(_AGAIN_AFTER_S)


def _print_answer(answer: Mapping[str, Any], form: str | None) -> None:
    if form == "json":
        click.echo(json.dumps({"answer": answer}, ensure_ascii=False))
    elif answer.get("accepted", True):
        again = " (already accepted before; nothing is done twice)" if answer.get("repeated") else ""
        version = f" {answer['version']}" if answer.get("version") else ""
        click.echo(f"accepted {answer.get('application', '')}{version} as change {answer['change']}{again}")
    else:
        click.secho(f"refused: {answer.get('reason', '')}", fg="red", bold=True, err=True)
        click.echo(f"  {answer.get('message', '')}", err=True)
        for field, sentence in answer.get("violations", []):
            click.echo(f"  {field}: {sentence}", err=True)


def follow(hub: Hub, change: str, deadline: Deadline, form: str | None) -> int:
    """Shows the change cluster by cluster until it is done or the time is over; the exit code."""
    if form == "json":
        last: Mapping[str, Any] = {}
        for last in states(hub, change, deadline):
            click.echo(json.dumps(last, ensure_ascii=False))
        return verdict(last)
    from shoal.cli.live import show

    last = show(states(hub, change, deadline))
    code = verdict(last)
    if code == TIMED_OUT:
        click.echo(f"not ready after {deadline.limit_s:g} s; it goes on: `shoal trace {change}`", err=True)
    elif last.get("state") == "superseded":
        click.echo("superseded by a newer change", err=True)
    return code


def states(hub: Hub, change: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
    """The change's states, each time it moves, until it is done or the time is over. A stream that breaks is opened again."""
    path = f"/api/changes/{quote(change, safe='')}"
    last: dict[str, Any] = {}
    while not deadline.passed:
        try:
            for current in hub.events(f"{path}/events", silence_s=max(deadline.left_s, 0.1)):
                if current != last:
                    yield current
                last = current
                if current.get("state") in _DONE:
                    return
                if deadline.passed:
                    return
        except HubUnreachable:
            if not last and deadline.spent_s > _SEND_LIMIT_S:
                raise
        deadline.pause(_AGAIN_AFTER_S)


def verdict(last: Mapping[str, Any]) -> int:
    """The exit code for a change in this state."""
    state = last.get("state")
    if state in _DONE:
        return _DONE[state]
    places = [place.get("state") for item in last.get("objects", []) for place in item.get("clusters", [])]
    return FAILED if {"failed", "unreachable"} & set(places) else TIMED_OUT
