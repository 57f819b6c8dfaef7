"""What `config.py` says of its settings, as text: for `docs/settings.md` (written by `docs/generate.py`) and for errors."""

from __future__ import annotations

import ast
import inspect
import itertools
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from shoal.runtime import config

HEADER = """# Settings

Every setting is an environment variable, read once when the process starts. Lists are separated by commas; an empty variable counts as not
set. A value that cannot be used stops the process with exit code 2 and a sentence that names the variable and what to write.
"""


def docstrings() -> dict[str, dict[str, str]]:
    """Class -> field -> the text under the field, on one line."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(config)).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_fields(node.body))
    return found


def _fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield field.target.id, " ".join(value.value.split())


def page() -> str:
    """The whole document."""
    texts = docstrings()
    parts = [HEADER]
    kinds: tuple[type[config.ServiceConfig], ...] = (config.ServiceConfig, config.HubConfig, *config.SERVICES)
    for kind in kinds:
        parts.append(f"## {kind.__name__}\n\n{inspect.getdoc(kind)}\n")
        bases = [base.__name__ for base in kind.__mro__[1:] if base.__name__ in texts]
        if bases:
            parts.append(f"Also: those of {', '.join(bases)}.\n")
        parts.append("| variable | default | meaning, and why |\n| --- | --- | --- |")
        own = kind.__annotations__
        rows = [_row(field, texts[kind.__name__].get(field.name, "")) for field in msgspec.structs.fields(kind) if field.name in own]
        parts.append("\n".join(row for row in rows if row) + "\n")
    return "\n".join(parts)


def _row(field: msgspec.structs.FieldInfo, text: str) -> str:
    if not text:
        return ""  # A default overridden for one service; the meaning is told where the field is declared.
    required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    default = "(required)" if required else _shown(field)
    choices = typing.get_args(field.type) if typing.get_origin(field.type) is typing.Literal else ()
    text += f" One of: {', '.join(map(str, choices))}." if choices else ""
    return f"| `{config.variable(field.name)}` | {default} | {text.replace('|', chr(92) + '|')} |"


def _shown(field: msgspec.structs.FieldInfo) -> str:
    value: Any = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value in ("", (), {}):
        return "(empty)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
