"""What a propagation policy may ask for beyond Karmada's fields: annotations `policy.shoal.dev/...` on the policy itself.

Karmada's specification stays untouched: a policy with these annotations is still one that Karmada takes, and without them everything is as
there. They travel with the policy, so they need no matching, no priority and no claim of their own (`docs/decisions/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from shoal.api.meta import Strict, Struct
from shoal.api.policy import ClusterAffinity

PREFIX = "policy.shoal.dev/"
JOINED, LABELS, RECOVERED, APIS = "joined", "labels", "recovered", "apis"
TRIGGERS = (JOINED, LABELS, RECOVERED, APIS)
PRIORITY, COST = "priority", "cost"
CLUSTER_PRIORITY_ANNOTATION = "cluster.shoal.dev/priority"
"""On a Cluster: a whole number, higher is preferred by policies with `prefer: priority`."""
CLUSTER_COST_ANNOTATION = "cluster.shoal.dev/cost"
"""On a Cluster: a number of any unit, lower is preferred by policies with `prefer: cost`."""

_TEXT_MAX = 8_192
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"(?:(?P<days>[A-Za-z,-]+) +)?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)(?: +(?P<zone>UTC|[+-]\d\d:\d\d))?\Z")


class Window(Struct, frozen=True, kw_only=True):
    """A time of the week in which a workload may be moved."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 = Monday; the day on which it begins."""
    start: int
    """Minutes after midnight."""
    end: int
    """Not after `start`: it ends on the next day."""
    offset: int = 0
    """Of the local time from UTC, in minutes."""

    def opens_in(self, now: datetime) -> float:
        """Seconds until it is open; 0 while it is."""
        local = now.astimezone(UTC) + timedelta(minutes=self.offset)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        length = (self.end - self.start) % 1440 or 1440
        waits = []
        for day in range(-1, 8):
            begins = midnight + timedelta(days=day, minutes=self.start)
            if (begins - timedelta(minutes=self.start)).weekday() in self.days and local < begins + timedelta(minutes=length):
                waits.append(max(0.0, (begins - local).total_seconds()))
        return min(waits)


class Rate(Struct, frozen=True, kw_only=True):
    """How fast one workload may be moved."""

    replicas: int
    every_s: int


class ReplicaBounds(Strict, frozen=True, kw_only=True):
    """How many replicas a selected cluster gets at least and at most (KA01)."""

    target_cluster: ClusterAffinity = ClusterAffinity()
    min: int = 0
    max: int | None = None


class PlacementOptions(Struct, frozen=True, kw_only=True):
    """All of them, read. The defaults are Karmada's behaviour."""

    follow: tuple[str, ...] = ()
    """What makes a divided workload spread anew: some of `TRIGGERS` (GX01, GX23, KA04)."""
    windows: tuple[Window, ...] = ()
    """When it may be moved; none: always."""
    rate: Rate | None = None
    return_after_s: int | None = None
    """Seconds for which a better group of `clusterAffinities` has to fit before the workload goes back to it (GX02); None: never."""
    group_spread: bool = False
    """`spreadByField` zone and provider group clusters, as region does, instead of only asking for the property (GX09)."""
    check_capacity: bool = False
    """Groups are chosen so that the replicas fit (GX11)."""
    cap_static: bool = False
    """Static weights give no cluster more than it has room for (GX12)."""
    balance: bool = False
    """Whenever it is placed again it is divided from zero, instead of keeping what runs (KA05)."""
    fill: bool = False
    """Aggregated fills one cluster after the other, those in use first, instead of sharing by room (GX25)."""
    prefer: tuple[str, ...] = ()
    """`priority`, `cost`: what ranks clusters that have nothing of the workload yet, most important first (KA02)."""
    bounds: tuple[ReplicaBounds, ...] = ()
    """Of several that match a cluster the first counts (KA01)."""

    @property
    def reacts(self) -> bool:
        """Decisions have to remember what they were made among."""
        return bool(self.follow) or self.return_after_s is not None

    def opens_in(self, now: datetime) -> float:
        """Seconds until a workload may be moved."""
        return min((window.opens_in(now) for window in self.windows), default=0.0)


NO_OPTIONS = PlacementOptions()


def options_of(annotations: Mapping[str, str]) -> PlacementOptions:
    """What the annotations of a policy ask for. What cannot be read counts as not written: admission refuses it at the door."""
    return read(annotations)[0]


def read(annotations: Mapping[str, str]) -> tuple[PlacementOptions, tuple[tuple[str, str], ...]]:
    """The options, and what is wrong: (annotation, a sentence that says what to write)."""
    ours = tuple(sorted((key, value) for key, value in annotations.items() if key.startswith(PREFIX)))
    return _read(ours) if ours else (NO_OPTIONS, ())


@lru_cache(maxsize=4096)
def _read(annotations: tuple[tuple[str, str], ...]) -> tuple[PlacementOptions, tuple[tuple[str, str], ...]]:
    found: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for key, text in annotations:
        reader = _READERS.get(key.removeprefix(PREFIX))
        if reader is None:
            wrong.append((key, f"is no option of a policy; there are {', '.join(_READERS)}"))
            continue
        try:
            if len(text) > _TEXT_MAX:
                raise ValueError(f"has {len(text)} characters; {_TEXT_MAX} are allowed")
            found |= reader(text.strip())
        except ValueError as error:
            wrong.append((key, str(error)))
    return PlacementOptions(**found), tuple(wrong)


def _words(text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in allowed:
            raise ValueError(f"{word!r} is unknown; write some of {', '.join(allowed)}, separated by commas")
    return words


def _follow(text: str) -> dict[str, Any]:
    words = _words(text, ("all", *TRIGGERS))
    return {"follow": TRIGGERS if "all" in words else tuple(word for word in TRIGGERS if word in words)}


def _spread(text: str) -> dict[str, Any]:
    words = _words(text, ("grouping", "capacity"))
    return {"group_spread": "grouping" in words, "check_capacity": "capacity" in words}


def _seconds(text: str) -> int:
    form = _DURATION.match(text)
    if form is None:
        raise ValueError(f"{text!r} is no duration; write a whole number with s, m, h or d, such as 10m")
    return int(form[1]) * _SECONDS[form[2]]


def _rate(text: str) -> dict[str, Any]:
    replicas, slash, every = text.partition("/")
    if not slash or not re.fullmatch(r"\d{1,6}", replicas) or int(replicas) < 1 or _seconds(every) < 1:
        raise ValueError(f"{text!r} is no rate; write replicas per duration, such as 2/10m")
    return {"rate": Rate(replicas=int(replicas), every_s=_seconds(every))}


def _windows(text: str) -> dict[str, Any]:
    return {"windows": tuple(_window(part.strip()) for part in text.split(";"))}


def _window(text: str) -> Window:
    form = _WINDOW.match(text)
    if form is None:
        raise ValueError(f"{text!r} is no window; write days, begin, end and zone, such as Sat,Sun 02:00-05:00 +08:00")
    zone = form["zone"] or "UTC"
    offset = 0 if zone == "UTC" else _minutes(zone[1:]) * (-1 if zone[0] == "-" else 1)
    days = _days(form["days"]) if form["days"] else tuple(range(7))
    return Window(days=days, start=_minutes(form["start"]), end=_minutes(form["end"]), offset=offset)


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"{text} is no time of the day; write 00:00 to 23:59")
    return hours * 60 + minutes


def _days(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f"{part!r} is no day; write {', '.join(_DAYS)} or a range such as Mon-Fri")
        begin, length = _DAYS.index(first), (_DAYS.index(last or first) - _DAYS.index(first)) % 7
        days |= {(begin + step) % 7 for step in range(length + 1)}
    return tuple(sorted(days))


def _bounds(text: str) -> dict[str, Any]:
    try:
        bounds = msgspec.json.decode(text, type=tuple[ReplicaBounds, ...])
    except msgspec.DecodeError as error:
        raise ValueError(
            f'{error}; write a JSON list such as [{{"targetCluster": {{"clusterNames": ["m1"]}}, "min": 1, "max": 5}}]'
        ) from error
    for item in bounds:
        if item.min < 0 or (item.max is not None and item.max < max(item.min, 0)):
            raise ValueError(f"min {item.min} and max {item.max} do not go together; write 0 <= min <= max")
    return {"bounds": bounds}


def _only(word: str, field: str) -> Callable[[str], dict[str, Any]]:
    def reader(text: str) -> dict[str, Any]:
        _words(text, (word,))
        return {field: True}

    return reader


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "follow": _follow,
    "windows": _windows,
    "rate": _rate,
    "return-after": lambda text: {"return_after_s": _seconds(text)},
    "spread": _spread,
    "static-weights": _only("capped", "cap_static"),
    "scaling": _only("balanced", "balance"),
    "aggregated": _only("fill", "fill"),
    "prefer": lambda text: {"prefer": _words(text, (PRIORITY, COST))},
    "replica-bounds": _bounds,
}
