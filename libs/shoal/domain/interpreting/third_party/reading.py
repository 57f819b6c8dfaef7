"""Reading objects of foreign kinds: values at places with lists in between, numbers in any spelling, pod groups as components."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shoal.api.binding import Component
from shoal.api.meta import Manifest, Ref
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.metadata import at, put
from shoal.domain.interpreting.pods import dependencies_of, pod_requirements

Place = tuple[str, ...]
"""Steps from the object's root; `*` stands for every item of a list and every value of a map."""
Group = tuple[str, int, Manifest]
"""Name, number of pods, pod spec."""

_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([a-z]{0,9})")
_UNITS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def found(value: Any, place: Sequence[str]) -> Iterator[Any]:
    """Everything at the place; nothing where a step is missing."""
    if not place:
        if value is not None:
            yield value
        return
    step, rest = place[0], place[1:]
    if step == "*":
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from found(item, rest)
    elif isinstance(value, dict) and step in value:
        yield from found(value[step], rest)


def pods_at(*places: Place) -> Callable[[Manifest], list[Manifest]]:
    """The pod specs at these places."""
    return lambda manifest: [pod for place in places for pod in found(manifest, place) if isinstance(pod, dict)]


def needs_of_pods(*places: Place, **named: tuple[Place, ...]) -> Callable[[Manifest], Iterator[Ref]]:
    """What the pod specs at these places need (R7.6), and objects of a kind that are named at further places."""
    pods = pods_at(*places)

    def dependencies(manifest: Manifest) -> Iterator[Ref]:
        namespace = at(manifest, "metadata", "namespace") or ""
        yield from dependencies_of(pods(manifest), namespace)
        for kind, where in named.items():
            names = (name for place in where for name in found(manifest, place))
            yield from (Ref("", kind, namespace, name) for name in names if isinstance(name, str) and name)

    return dependencies


def components(manifest: Manifest, groups: Iterator[Group] | Sequence[Group]) -> Replicas:
    """A workload of several pod groups (D15): `count` is 0, each group a component."""
    namespace = at(manifest, "metadata", "namespace") or ""
    return Replicas(
        count=0,
        components=tuple(
            Component(name=name, replicas=number, replica_requirements=pod_requirements(pod, namespace)) for name, number, pod in groups
        ),
    )


def memory_bytes(text: Any) -> int:
    """Memory as the JVM world writes it: `512m`, `2g` and `2gb` are powers of 1024, and so are Kubernetes' `512Mi`; 0 for anything else."""
    matched = _MEMORY.fullmatch(str(text).strip().lower())
    if matched is None:
        return 0
    unit = matched[2].removesuffix("b").removesuffix("i") or "b"
    return int(float(matched[1]) * 1024 ** _UNITS[unit]) if unit in _UNITS else 0


def pod_with(requests: Manifest, pod: Any) -> Manifest:
    """A pod spec whose only container asks for this; node constraints and priority are those of `pod`."""
    return {**(pod if isinstance(pod, dict) else {}), "containers": [{"resources": {"requests": requests}}], "initContainers": []}


def keep_suspend(desired: Manifest, live: Manifest) -> Manifest:
    """Whoever suspends a copy in its member is not overruled."""
    suspend = at(live, "spec", "suspend")
    return desired if suspend is None else put(desired, suspend, "spec", "suspend")
