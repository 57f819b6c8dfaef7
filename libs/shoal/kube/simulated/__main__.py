"""Runs one embedded member without an agent: `python -m shoal.kube.simulated --name m1 --dir DIR`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from shoal.api.errors import Terminal
from shoal.kube.simulated.member import MemberSettings, run_member


class MachineClock:
    """The machine's clock. `runtime` has the one for services; this room lies below it."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shoal.kube.simulated", description="Runs one embedded member cluster.")
    parser.add_argument("--name", required=True, help="name of the cluster, used in names of nodes and in the kubeconfig")
    parser.add_argument("--dir", type=Path, required=True, help="where journal, token, port and kubeconfig are kept")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: that of last time, or any")
    parser.add_argument("--nodes", type=int, default=3, help="simulated nodes; 0: nothing becomes ready by itself")
    parser.add_argument("--cpu", default="8", help="CPU of one node")
    parser.add_argument("--memory", default="32Gi", help="memory of one node")
    parser.add_argument("--ready-after", type=float, default=0.3, metavar="SECONDS", help="how long a pod takes to become ready")
    parser.add_argument("--kubeconfig", type=Path, help="where the kubeconfig is written; default: DIR/kubeconfig")
    given = parser.parse_args()
    settings = MemberSettings(
        name=given.name,
        directory=given.dir,
        port=given.port,
        nodes=given.nodes,
        cpu=given.cpu,
        memory=given.memory,
        ready_after_s=given.ready_after,
        kubeconfig=given.kubeconfig,
    )
    try:
        uvloop.run(run_member(settings, MachineClock()))
    except Terminal as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
