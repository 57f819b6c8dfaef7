"""Writes the documents that are made from the code: `python docs/generate.py`; with `--check` says which are stale (exit code 1).

`docs/messages.md` and `docs/asyncapi.json` from the message catalogue, `docs/settings.md` from the settings, `docs/compatibility.md` from
`docs/features.toml` and the marks on the tests.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from shoal.messages import catalogue
from shoal.runtime import settings_page

ROOT = Path(__file__).resolve().parent.parent
HEAD = "<!-- Written by docs/generate.py; change the code it is made from. -->\n"


def field_docs(struct: type) -> dict[str, str]:
    """The string below each field of a struct, by field name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = " ".join(str(following.value.value).split())
            docs[field.target.id] = text
    return docs


def table(struct: type) -> str:
    """The fields of a struct as a table."""
    if not issubclass(struct, msgspec.Struct):
        return "The Kubernetes object itself, as JSON.\n"
    docs = field_docs(struct)
    rows = ["| field | type | meaning |", "| --- | --- | --- |"]
    for field in msgspec.structs.fields(struct):
        kind = str(inspect.get_annotations(struct).get(field.name, "")) or getattr(field.type, "__name__", str(field.type))
        rows.append(f"| `{field.encode_name}` | `{kind.replace('|', 'or')}` | {docs.get(field.name, '').replace('|', ' or ')} |")
    return "\n".join(rows) + "\n"


def first_paragraph(struct: type) -> str:
    return " ".join((inspect.getdoc(struct) or "").split("\n\n")[0].split())


def messages() -> str:
    parts = [HEAD, "# Messages\n", "Everything that services tell each other, in the order of one deploy. The streams:\n"]
    parts.append("| stream | subjects | what it is |\n| --- | --- | --- |")
    parts += [f"| `{s.name}` | `{' '.join(s.subjects)}` | {s.what} |" for s in catalogue.STREAMS]
    parts.append(
        "\n## Entries\n\nThe last value of a key; writing one is publishing the event. The envelope is described in `libs/shoal/bus/entries.py`.\n"
    )
    for family in catalogue.FAMILIES:
        subject = f"state.{family.name}.<ref>" if family.stream is catalogue.STATE else f"{family.stream.subjects[0][:-2]}.<member>.<ref>"
        parts.append(
            f"### `{family.schema}` on `{subject}`\n\n{family.what} Written by {family.writer}, read by {', '.join(family.readers)}.\n"
        )
        parts.append(table(family.body))
    parts.append("## Messages\n")
    for subject, struct, sender, receiver, what in catalogue.MESSAGES:
        parts.append(f"### `{struct.__name__}` on `{subject}`\n\n{what} From {sender} to {receiver}. {first_paragraph(struct)}\n")
        parts.append(table(struct))
    return "\n".join(parts)


def asyncapi() -> str:
    """AsyncAPI 3.0, with the JSON schemas that msgspec makes of the structs."""
    structs = [family.body for family in catalogue.FAMILIES if issubclass(family.body, msgspec.Struct)]
    structs += [struct for _, struct, *_ in catalogue.MESSAGES]
    unique = list(dict.fromkeys(structs))
    _, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for subject, struct, sender, _, what in catalogue.MESSAGES:
        if subject == "(reply)":
            continue
        key = re.sub(r"\W+", "_", subject).strip("_")
        channels[key] = {
            "address": re.sub(r"<([^>]*)>", lambda m: "{" + re.sub(r"\W+", "rest", m.group(1)) + "}", subject),
            "messages": {struct.__name__: {"$ref": f"#/components/messages/{struct.__name__}"}},
        }
        operations[f"send_{key}"] = {"action": "send", "channel": {"$ref": f"#/channels/{key}"}, "summary": f"{what} Sent by {sender}."}
    for family in catalogue.FAMILIES:
        root = (
            f"state.{family.name}"
            if family.stream is catalogue.STATE
            else f"{family.name if family.name != 'inventory' else 'report'}.{{member}}"
        )
        name = family.body.__name__ if issubclass(family.body, msgspec.Struct) else "Manifest"
        channels[f"entry_{family.name}"] = {
            "address": root + ".{group}.{kind}.{namespace}.{name}",
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Shoal", "version": "0.1.0", "description": "What Shoal's services tell each other over NATS."},
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                **{s.__name__: {"payload": {"$ref": f"#/components/schemas/{s.__name__}"}, "summary": first_paragraph(s)} for s in unique},
                "Manifest": {"payload": {"type": "object"}, "summary": "A Kubernetes object."},
            },
            "schemas": components,
        },
    }
    return json.dumps(document, indent=1, sort_keys=True, default=str) + "\n"


def settings() -> str:
    """Every setting of every service: variable, default, meaning."""
    return HEAD + settings_page.page()


def spec_marks() -> dict[str, list[str]]:
    """Feature or rule id -> tests (`file::function`) that carry it in `@pytest.mark.spec(...)`."""
    marks: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in (c for d in node.decorator_list for c in ast.walk(d) if isinstance(c, ast.Call)):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "spec":
                    for argument in call.args:
                        if isinstance(argument, ast.Constant):
                            marks[str(argument.value)].append(f"{path.relative_to(ROOT)}::{node.name}")
    return marks


class Feature(NamedTuple):
    id: str
    priority: str
    """P0: an existing user's YAML needs it; P1: most expect it; P2: for some. Empty: beyond Karmada."""
    title: str
    state: str
    """`tested`, `built` or `missing`."""


def features() -> dict[str, list[Feature]]:
    """The rows of `docs/features.toml` by section. A mark on a test wins over the state that is said there."""
    marks = spec_marks()
    said = tomllib.loads((ROOT / "docs/features.toml").read_text())
    return {
        section: [Feature(id_, priority, title, "tested" if id_ in marks else state) for id_, (priority, title, state) in rows.items()]
        for section, rows in said.items()
    }


STATES = {"tested": "tested", "built": "built, without a test of its own", "missing": "not built"}


def compatibility() -> str:
    marks, sections = spec_marks(), features()
    listed = [feature for rows in sections.values() for feature in rows]
    rules = sorted((i for i in marks if re.fullmatch(r"R\d+\.\d+", i)), key=_order)
    others = sorted(set(marks) - set(rules) - {feature.id for feature in listed}, key=_order)
    parts = [HEAD, "# Compatibility\n"]
    parts.append(
        "What Karmada's users may rely on, and what goes past it: one row per feature, from `docs/features.toml`, with the tests that carry its id "
        "in `@pytest.mark.spec`. P0: existing YAML needs it. P1: most people expect it. P2: some do.\n"
    )
    parts.append(_counts(sections))
    for section, rows in sections.items():
        parts.append(f"\n## {section}\n\n| id | | feature | state | tests |\n| --- | --- | --- | --- | --- |")
        parts += [f"| {f.id} | {f.priority} | {f.title} | {STATES[f.state]} | {_tests(marks.get(f.id, []))} |" for f in rows]
    for title, ids in (("Other rows that have tests", others), ("Rules of Karmada's behaviour that have tests", rules)):
        parts.append(f"\n## {title}\n\n| id | tests |\n| --- | --- |")
        parts += [f"| {identifier} | {_tests(marks[identifier])} |" for identifier in ids]
    return "\n".join(parts) + "\n"


def _counts(sections: dict[str, list[Feature]]) -> str:
    """How many of each section are in each state."""
    lines = ["| section | rows | tested | built | not built |", "| --- | --- | --- | --- | --- |"]
    for title, rows in [*sections.items(), ("all", [feature for section in sections.values() for feature in section])]:
        numbers = [sum(feature.state == state for feature in rows) for state in STATES]
        lines.append(f"| {title} | {len(rows)} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines) + "\n"


def _tests(found: list[str]) -> str:
    unique = list(dict.fromkeys(found))
    more = f" and {len(unique) - 3} more" if len(unique) > 3 else ""
    return ", ".join(f"`{test}`" for test in unique[:3]) + more


def _order(identifier: str) -> tuple[str, list[int], str]:
    return identifier[0], [int(number) for number in re.findall(r"\d+", identifier)] or [0], identifier


DOCUMENTS = {
    "docs/messages.md": messages,
    "docs/asyncapi.json": asyncapi,
    "docs/settings.md": settings,
    "docs/compatibility.md": compatibility,
}


def main() -> int:
    stale = [name for name, make in DOCUMENTS.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != make()]
    if "--check" in sys.argv:
        print("\n".join(f"{name} is stale: run `uv run just docs`" for name in stale))
        return bool(stale)
    for name in stale:
        (ROOT / name).write_text(DOCUMENTS[name]())
        print("wrote", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
