"""What Shoal knows of single kinds: replicas, health, status, what a member owns, what an object needs.

Belongs here: one file per native kind in `kinds` and per maker in `third_party`, each with values of `Interpreter`, and the functions below,
which use the kind's rule or the generic one (R7.*). Does not belong here: where an object goes, how it is edited for one cluster, or when it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shoal.api.binding import ReplicaRequirements
from shoal.api.meta import Manifest, Ref, group_of
from shoal.api.replicas import Replicas
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import HEALTHY, UNHEALTHY, UNKNOWN, Interpreter, layered
from shoal.domain.interpreting.kinds import INTERPRETERS as NATIVE
from shoal.domain.interpreting.kinds.job import split_completions
from shoal.domain.interpreting.metadata import prune_metadata
from shoal.domain.interpreting.pods import images_of, pod_of
from shoal.domain.interpreting.third_party import INTERPRETERS as THIRD_PARTY

__all__ = [
    "HEALTHY",
    "UNHEALTHY",
    "UNKNOWN",
    "Interpreter",
    "ReplicaRequirements",
    "Replicas",
    "aggregate",
    "dependencies",
    "health",
    "images",
    "interpreter_of",
    "layered",
    "prune",
    "reflect",
    "replicas_of",
    "retain",
    "revise",
    "split_completions",
]

T = TypeVar("T")
U = TypeVar("U")
INTERPRETERS = layered(THIRD_PARTY, NATIVE)
_GENERIC = Interpreter(group="", kind="")


def interpreter_of(manifest: Manifest) -> Interpreter:
    """The rules of the manifest's kind; the generic ones when there are none (also without `apiVersion` or `kind`)."""
    return INTERPRETERS.get((group_of(manifest.get("apiVersion", "")), manifest.get("kind", "")), _GENERIC)


def _answer(rule: Callable[..., T] | None, otherwise: U, *arguments: Any) -> T | U:
    """The rule's answer; the generic one without a rule, and where an object has a shape that its kind does not have.

    Objects of foreign kinds come as their makers' schemas let them through. Such an object is carried as it is: the member's API server, which
    has the schema, is the one to refuse it and to say why.
    """
    if rule is None:
        return otherwise
    try:
        return rule(*arguments)
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):
        return otherwise


def replicas_of(manifest: Manifest) -> Replicas | None:
    """How many pods the workload wants, and what one needs (R7.2, R2.8); None for kinds that have no replicas."""
    return _answer(interpreter_of(manifest).replicas, None, manifest)


def revise(manifest: Manifest, replicas: int) -> Manifest:
    """The manifest with this number of replicas (R6.3); unchanged for kinds that have none."""
    return _answer(interpreter_of(manifest).revise, manifest, manifest, replicas)


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """`desired` with the fields that the member owns taken from `live` (R7.3)."""
    return _answer(interpreter_of(desired).retain, desired, desired, live)


def reflect(live: Manifest) -> Manifest | None:
    """The status that the hub should know of a member's copy (R7.5); the whole `status` for kinds without a rule, None without one."""
    status = live.get("status")
    return _answer(interpreter_of(live).reflect, status, live) if isinstance(status, dict) and status else None


def health(live: Manifest) -> str:
    """Healthy, Unhealthy or Unknown (R7.4). A kind without a rule is healthy once it exists; a status of an unexpected shape is Unknown."""
    rule = interpreter_of(live).health
    if rule is None:
        return HEALTHY
    healthy = _answer(rule, None, live)
    return UNKNOWN if healthy is None else HEALTHY if healthy else UNHEALTHY


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    """The template's status merged from its copies (R8.3); None when the kind has no rule, so that nothing is written.

    `items` are sorted by cluster; `generation` is the template's, which a copy must have been rendered from to count as caught up.
    """
    return _answer(interpreter_of(template).aggregate, None, template, items, generation)


def prune(manifest: Manifest) -> Manifest:
    """The manifest without what only the hub's server filled in (R6.5). Pruning twice is pruning once."""
    pruned = prune_metadata(manifest)
    return _answer(interpreter_of(manifest).prune, pruned, pruned)


def dependencies(manifest: Manifest) -> tuple[Ref, ...]:
    """What the object cannot run without, in its own namespace (R7.6); sorted, each once."""
    rule = interpreter_of(manifest).dependencies
    return _answer(lambda: tuple(sorted(set(rule(manifest)))), ()) if rule else ()


def images(manifest: Manifest) -> tuple[str, ...]:
    """Images of the containers, each once, without init containers; empty for kinds that run nothing."""
    rule = interpreter_of(manifest).pods
    return _answer(lambda: images_of(rule(manifest) if rule else (pod_of(manifest),)), ())
