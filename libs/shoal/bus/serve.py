"""Starts nats-server: mends its store, then becomes it (same process id). `python -m shoal.bus.serve <binary> <state dir> <configuration>`.

Light on purpose: a restart of the bus must not wait for imports.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def mend_store(state_dir: Path) -> tuple[Path, ...]:
    """Removes what a kill between two steps of the server leaves behind, and at which its next start would delete a whole stream.

    Measured with 2.15.1: an encrypted stream makes an empty block file and then that block's key. Killed in between (1 in 6 kills while a
    stream runs empty, 1 in 13 while blocks fill), the next start says "Error recreating stream: corrupt state file" and removes the stream
    with all its messages. An empty block holds nothing, so taking it away loses nothing. Call it before every start, and never while the
    server runs. Returns what it removed.
    """
    removed = []
    for block in (state_dir / "jetstream").glob("jetstream/*/streams/*/msgs/*.blk"):
        key = block.with_suffix(".key")
        encrypted = (block.parent.parent / "meta.key").exists()
        if encrypted and block.stat().st_size == 0 and (not key.exists() or key.stat().st_size == 0):
            block.unlink()
            key.unlink(missing_ok=True)
            removed.append(block)
    return tuple(removed)


def main(binary: str, state_dir: str, configuration: str) -> None:
    """Does not return."""
    for block in mend_store(Path(state_dir)):
        print(f"removed {block}, left behind by a kill", file=sys.stderr)
    os.execv(binary, [binary, "--config", configuration])


if __name__ == "__main__":
    main(*sys.argv[1:])
