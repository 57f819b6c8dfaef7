"""Which member clusters one machine runs: names, vendor, region and zone, embedded or real."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from shoal.api.errors import SettingInvalid
from shoal.runtime.files import write_whole

PLACES = (
    ("alpha", "eu-west"), ("alpha", "us-east"), ("beta", "ap-south"), ("alpha", "eu-west"), ("beta", "us-east"), ("beta", "ap-south"),
)  # fmt: skip
"""Vendor and region of the first six: three members cover all regions; of six, eu-west and ap-south have two of one vendor."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member cluster of this machine. Kept in `DIR/members.json`, so that the next `shoal up` starts the same ones."""

    name: str
    provider: str = ""
    region: str = ""
    zone: str = ""
    kubeconfig: str = ""
    """Of a real cluster; empty for an embedded one."""
    nodes: int = 3
    """Simulated nodes of an embedded one."""
    restart_s: float = 20.0
    """How long it stays away when it was killed: longer than the grace after which it is lost, so that what follows can be seen."""


def parse(text: str, index: int) -> Member:
    """`NAME`, `NAME:provider/region/zone`, or either with `=KUBECONFIG`. An embedded one gets what is left out from its place in line."""
    head, _, kubeconfig = text.partition("=")
    name, _, place = head.strip().partition(":")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", name):
        raise SettingInvalid(f"member name {name!r}: write lower case letters, digits and '-', at most 42")
    path = Path(kubeconfig).expanduser().absolute() if kubeconfig else None
    if path is not None and not path.is_file():
        raise SettingInvalid(f"member {name}: there is no kubeconfig {path}")
    if place:
        provider, region, zone = (*place.split("/"), "", "")[:3]
    elif path is not None:
        provider, region, zone = "", "", ""
    else:
        provider, region = PLACES[index % len(PLACES)]
        zone = f"{region}-{_letter(index)}"
    return Member(name=name, provider=provider, region=region, zone=zone, kubeconfig=str(path or ""))


def _letter(index: int) -> str:
    """Zone letter: the next one whenever all regions have had their turn."""
    return chr(ord("a") + index // 3 % 26)


def wanted(
    members: str | None, real: tuple[str, ...], remembered: list[Member], *, nodes: int | None, restart_s: float | None
) -> list[Member]:
    """What `--members` (a count or names) and `--member NAME=KUBECONFIG` ask for; without either what ran here before, else three."""
    given = {key: value for key, value in (("nodes", nodes), ("restart_s", restart_s)) if value is not None}
    if members is None and not real and remembered:
        return [msgspec.structs.replace(member, **given) for member in remembered]
    if members is None:
        names = [] if real else ["m1", "m2", "m3"]
    elif members.strip().isdigit():
        names = [f"m{number + 1}" for number in range(int(members))]
    else:
        names = [name for name in members.split(",") if name.strip()]
    for text in real:
        if "=" not in text:
            raise SettingInvalid(f"--member {text}: write NAME=KUBECONFIG; embedded members are named by --members")
    found = [parse(text, index) for index, text in enumerate([*names, *real])]
    if len({member.name for member in found}) < len(found):
        raise SettingInvalid("two members have the same name")
    return [msgspec.structs.replace(member, **given) for member in found]


def read(path: Path) -> list[Member]:
    return msgspec.json.decode(path.read_bytes(), type=list[Member]) if path.exists() else []


def write(path: Path, members: list[Member]) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(members)))
