"""Ports of one machine's processes: chosen once, remembered in `DIR/ports.json`, so that an address outlives a restart."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from shoal.api.errors import AlreadyInUse
from shoal.runtime.files import write_whole

_LOWEST = 20_000


class Ports:
    """What was chosen for whom."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chosen: dict[str, int] = json.loads(path.read_bytes()) if path.exists() else {}

    def get(self, name: str, *, wanted: int = 0, ours: bool = False) -> int:
        """The port of this process: the wanted one, else the remembered one, else a free one. `ours`: our process holds it now.

        Raises `AlreadyInUse` when the wanted one is taken by somebody else.
        """
        remembered = self._chosen.get(name, 0)
        if wanted:
            if not (ours and wanted == remembered) and not free(wanted):
                raise AlreadyInUse(f"port {wanted} is in use by another program; give --port another number, or 0 for any free one")
            self._chosen[name] = wanted
        elif not remembered or not (ours or free(remembered)):
            self._chosen[name] = self._any()
        return self._chosen[name]

    def save(self) -> None:
        write_whole(self._path, json.dumps(self._chosen, indent=2, sort_keys=True).encode())

    def _any(self) -> int:
        """Below the range of outgoing connections: a port from inside it may be taken by one while our process restarts."""
        highest = _first_outgoing() - 1
        for _ in range(1_000):
            port = random.randint(_LOWEST, highest)
            if port not in self._chosen.values() and free(port):
                return port
        raise AlreadyInUse(f"no free port between {_LOWEST} and {highest}")


def free(port: int) -> bool:
    """True when a server could listen there on loopback now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _first_outgoing() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        first = 32_768  # Linux's default; other systems begin higher.
    return first if first > _LOWEST + 1_000 else 65_536
