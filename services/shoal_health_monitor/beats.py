"""Who was heard, and when: answers beats, and keeps what a judgement needs to know about listening itself."""

from __future__ import annotations

import msgspec

from shoal.api.clock import Clock
from shoal.api.cluster import ResourceModel, grades_of
from shoal.api.meta import Manifest
from shoal.bus.entries import Entry
from shoal.bus.port import Message
from shoal.messages import subject
from shoal.messages.catalogue import Beat, BeatAnswer, Grading


class Heard(msgspec.Struct, frozen=True):
    """The beats of one member up to the last one; moments are monotonic seconds."""

    at: float
    steady_since: float | None
    """First of the unbroken beats with an answering API server: no gap above two beats."""
    api_unhealthy_since: float | None
    """First of the unbroken beats that say the member's API server does not answer."""


def heard(before: Heard | None, beat: Beat, now: float) -> Heard:
    """Takes one more beat in."""
    unbroken = before is not None and now - before.at <= 2 * beat.interval_s
    if not beat.api_healthy:
        since = before.api_unhealthy_since if before is not None and unbroken else None
        return Heard(now, None, now if since is None else since)
    steady = before.steady_since if before is not None and unbroken else None
    return Heard(now, now if steady is None else steady, None)


class Beats:
    """In memory only: after a restart everybody gets a full grace, so an old beat would never be read."""

    def __init__(self, clock: Clock, lease_s: float) -> None:
        self._clock, self._lease_s = clock, lease_s
        self.heard: dict[str, Heard] = {}
        """By member id."""
        self.known: dict[str, Entry[Manifest]] = {}
        """The Cluster of each member id; kept by the judge."""
        self.trusts_absence = False
        """True once the list of clusters is complete: only then an unknown member may be told so."""
        self._highest: dict[str, int] = {}

    async def beat(self, subject_: str, beat: Beat) -> BeatAnswer:
        member = subject.decode_token(subject_.rsplit(".", maxsplit=1)[-1])
        self.heard[member] = heard(self.heard.get(member), beat, self._clock.monotonic())
        return BeatAnswer(
            lease_s=self._lease_s,
            sequence=self._highest.get(member, 0),
            known=member in self.known or not self.trusts_absence,
            grading=_grading(self.known.get(member), beat),
        )

    async def live(self, message: Message) -> None:
        """`live.<member>.<ref>`: how far each member's works are, so that a straggler hears of it with its next beat."""
        parts = message.subject.split(".")
        member = parts[parts.index("live") + 1]
        self._highest[member] = max(self._highest.get(member, 0), int(message.headers.get("Nats-Sequence", "0")))


def _grading(cluster: Entry[Manifest] | None, beat: Beat) -> Grading | None:
    """What the agent has to hear of its Cluster's resource models; None when it knows them, or nothing is known of its Cluster yet."""
    if cluster is None or cluster.revision == beat.grading:
        return None
    models = msgspec.convert((cluster.body.get("spec") or {}).get("resourceModels") or (), tuple[ResourceModel, ...])
    return Grading(revision=cluster.revision, grades=grades_of(models))
