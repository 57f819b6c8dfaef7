"""The main job of Shoal in about a minute, on this machine: `uv run just demo [--keep] [--state DIR]`.

Every line that it prints is read from the system: from the commands a user would type, and from the members' own APIs. It ends with an error as soon
as a step does not happen, and leaves nothing running unless `--keep` says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
TOOLS = Path(sys.executable).parent
PLACES = {
    "m1": ("alpha", "eu-west"), "m2": ("alpha", "us-east"), "m3": ("beta", "ap-south"),
    "m4": ("alpha", "eu-west"), "m5": ("beta", "us-east"), "m6": ("beta", "ap-south"), "m7": ("beta", "us-east"),
}  # fmt: skip
BROKEN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app.kubernetes.io/part-of: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, imge: registry.example/shop/web}]}
"""
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class StepFailed(Exception):
    """A step of the story did not happen."""


class Demo:
    def __init__(self, state: Path) -> None:
        self.state, self.started = state, time.monotonic()
        self.environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "SHOAL_STATE": str(state)}

    # --- commands ---

    def say(self, title: str) -> None:
        print(f"\n{BOLD}[{time.monotonic() - self.started:5.1f} s] {title}{PLAIN}", flush=True)

    def shoal(self, *arguments: str, code: int = 0, stdin: str = "", show: bool = True) -> str:
        """Runs one command as a user would, shows it with its output."""
        if show:
            print(f"{DIM}$ shoal {' '.join(arguments)}{PLAIN}", flush=True)
        result = subprocess.run(
            [str(TOOLS / "shoal"), *arguments], input=stdin, capture_output=True, text=True, env=self.environment, check=False, timeout=120
        )
        text = (result.stdout + (result.stderr if result.returncode else "")).rstrip()
        if show and text:
            print("  " + text.replace("\n", "\n  "), flush=True)
        if result.returncode != code:
            raise StepFailed(f"shoal {' '.join(arguments)} ended with {result.returncode}, expected {code}\n{result.stdout}{result.stderr}")
        return result.stdout

    def ask(self, *arguments: str) -> Any:
        return json.loads(self.shoal(*arguments, "-o", "json", show=False))

    def member(self, name: str, kind: str, namespace: str) -> dict[str, Any]:
        """Name -> object, from the member's own API."""
        config = self.state / "members" / f"{name}.kubeconfig"
        result = subprocess.run(
            [str(TOOLS / "kubectl"), "--kubeconfig", str(config), "get", kind, "-n", namespace, "-o", "json"],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
            timeout=30,
        )
        if result.returncode:
            raise StepFailed(f"{name} does not answer: {result.stderr.strip()}")
        return {item["metadata"]["name"]: item for item in json.loads(result.stdout)["items"]}

    def copies(self, cluster: str) -> dict[str, Any] | None:
        """The shop's Deployments in a member; None while its API does not answer."""
        try:
            return self.member(cluster, "deployments", "shop")
        except StepFailed:
            return None

    def until(self, check: Callable[[], Any], what: str, limit_s: float = 40.0) -> Any:
        """Waits for a condition with a limit."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            found = check()
            if found:
                return found
            time.sleep(0.1)
        raise StepFailed(f"not within {limit_s:g} s: {what}")

    # --- what is asked of the system ---

    def where(self) -> dict[str, list[dict[str, Any]]]:
        """Deployment -> its copies, as the hub says."""
        objects = self.ask("where", "shop")["objects"]
        return {o["ref"].rpartition("/")[2]: o["clusters"] for o in objects if "/Deployment/" in o["ref"]}

    def settled_without(self, lost: str, before: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]] | None:
        """The copies outside a lost cluster, once every Deployment that ran there is ready with as many replicas as before."""
        now = self.where()
        for name, copies in before.items():
            left = [copy for copy in now[name] if copy["cluster"] != lost]
            if any(copy.get("health") != "Healthy" for copy in left):
                return None
            if sum(wanted(copy) for copy in left) < sum(wanted(copy) for copy in copies):
                return None
        return {name: [copy for copy in copies if copy["cluster"] != lost] for name, copies in now.items()}

    def stands_beside(self, cluster: str, deployment: str) -> str:
        """That a Deployment in a member has the ConfigMaps and the Services it needs beside it; raises when one is missing."""
        found = self.member(cluster, "deployments", "shop").get(deployment)
        if found is None or found.get("status", {}).get("availableReplicas", 0) < found["spec"]["replicas"]:
            raise StepFailed(f"{deployment} is not available in {cluster}")
        pod = found["spec"]["template"]
        named = {
            source["configMapRef"]["name"]
            for container in pod["spec"]["containers"]
            for source in container.get("envFrom", [])
            if "configMapRef" in source
        } | {volume["configMap"]["name"] for volume in pod["spec"].get("volumes", []) if "configMap" in volume}
        missing = named - set(self.member(cluster, "configmaps", "shop"))
        services = [
            name
            for name, service in self.member(cluster, "services", "shop").items()
            if (service["spec"].get("selector") or {}).items() <= pod["metadata"]["labels"].items()
        ]
        if missing:
            raise StepFailed(f"{deployment} in {cluster} lacks the ConfigMaps {sorted(missing)}")
        beside = [*(f"ConfigMap {name}" for name in sorted(named)), *(f"Service {name}" for name in services)]
        return ", ".join(beside) or "nothing it names"


def wanted(copy: dict[str, Any]) -> int:
    """`2/2` and `2` are both two replicas."""
    return int(str(copy.get("replicas") or 0).rpartition("/")[2])


def place(cluster: str) -> str:
    return "/".join(PLACES[cluster])


def start(demo: Demo) -> None:
    demo.say("Six clusters of two vendors in three regions")
    members = ",".join(f"{name}:{vendor}/{region}" for name, (vendor, region) in PLACES.items() if name != "m7")
    demo.shoal("up", "--members", members, "--member-restart", "600")
    demo.shoal("clusters")


def deploy(demo: Demo) -> None:
    demo.say("The base services, then CI publishes the shop: one event, plain manifests, Karmada policies")
    demo.shoal("deploy", "-f", str(ROOT / "base"), "--no-wait")
    lines = demo.shoal("deploy", "-f", str(ROOT / "shop"), "--version", "1.0.0", "-o", "json", show=False).splitlines()
    events = [json.loads(line) for line in lines]
    change = next(event["change"] for event in events if event.get("change"))
    print(f"  change {change}: {events[-1].get('state')}")
    demo.say("Where it runs, and each vendor's own image")
    demo.shoal("where", "shop")
    demo.say("That change, traced through every process")
    demo.shoal("trace", change, "Deployment/web")


def refuse(demo: Demo) -> None:
    demo.say("A broken deploy is refused before anything is stored, with what to mend")
    demo.shoal("deploy", "-f", "-", "--app", "shop", "--version", "1.0.1", code=1, stdin=BROKEN)


def fail(demo: Demo) -> str:
    before = demo.where()
    victim = next(copy["cluster"] for copy in before["web"] if PLACES[copy["cluster"]][1] == "eu-west")
    ran = {name: copies for name, copies in before.items() if any(copy["cluster"] == victim for copy in copies)}
    demo.say(f"{victim} ({place(victim)}) is killed with SIGKILL; it ran {', '.join(sorted(ran))}")
    demo.shoal("member", "kill", victim)
    killed = time.monotonic()
    after = demo.until(lambda: demo.settled_without(victim, ran), "the workloads of the lost cluster, ready elsewhere")
    took = time.monotonic() - killed
    print(f"  ready elsewhere {took:.1f} s after the kill:")
    for name in sorted(ran):
        had = {copy["cluster"]: wanted(copy) for copy in before[name]}
        for copy in after[name]:
            cluster = copy["cluster"]
            if wanted(copy) <= had.get(cluster, 0):
                continue
            if PLACES[cluster][1] != PLACES[victim][1] and PLACES[cluster][0] != PLACES[victim][0]:
                raise StepFailed(f"{name} moved to {cluster} ({place(cluster)}), which policy does not allow")
            beside = demo.stands_beside(cluster, name)
            print(f"  {name}: {had.get(cluster, 0)} -> {wanted(copy)} replicas in {cluster} ({place(cluster)}), beside {beside}")
    return str(victim)


def come_back(demo: Demo, victim: str) -> None:
    demo.say(f"{victim} comes back, with the copies it had")
    targets = {name: {copy["cluster"] for copy in copies} - {victim} for name, copies in demo.where().items()}
    demo.shoal("member", "start", victim)
    seen = demo.until(lambda: (demo.copies(victim),) if demo.copies(victim) is not None else None, f"an answer of {victim}")[0]
    print(f"  in {victim} at its first answer: {', '.join(sorted(seen)) or 'the agent was faster, nothing is left'}")

    def tidy() -> bool:
        wanted_here = {name for name, copies in demo.where().items() if any(copy["cluster"] == victim for copy in copies)}
        return set(demo.member(victim, "deployments", "shop")) == wanted_here

    demo.until(tidy, "only what belongs there")
    time.sleep(1.0)
    for event in map(json.loads, demo.shoal("events", "--type", "work.removed", "-o", "json", show=False).splitlines()):
        if event["data"].get("cluster") == victim and "/Deployment/" in event["subject"]:
            print(f"  {event['time'][:23]}  {event['type']}  {event['subject']} in {victim}: its old copy, gone now")
    twice = []
    for name, clusters in targets.items():
        copies = {cluster for cluster in PLACES if cluster != "m7" and name in demo.member(cluster, "deployments", "shop")}
        shown = {copy["cluster"] for copy in demo.where()[name]}
        if copies != shown:
            twice.append(f"{name}: members {sorted(copies)}, hub {sorted(shown)}, before {sorted(clusters)}")
    if twice:
        raise StepFailed("; ".join(twice))
    print(f"  in {victim} in the end: {', '.join(sorted(demo.member(victim, 'deployments', 'shop'))) or 'nothing'}; nothing runs twice")


def join(demo: Demo) -> None:
    demo.say("A seventh cluster joins and gets the base services by itself")
    vendor, region = PLACES["m7"]
    begun = time.monotonic()
    demo.shoal("member", "add", f"m7:{vendor}/{region}")

    def served() -> dict[str, Any] | None:
        found = demo.member("m7", "deployments", "platform")
        ready = [d for d in found.values() if d.get("status", {}).get("availableReplicas", 0) >= d["spec"]["replicas"]]
        return found if found and len(ready) == len(found) >= 2 else None

    found = demo.until(served, "the base services in m7")
    print(f"  {time.monotonic() - begun:.1f} s after it was added, ready in m7 ({place('m7')}): {', '.join(sorted(found))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--state", type=Path, help="directory of the hub; default: a temporary one, with --keep .shoal")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shoal-demo-") as temporary:
        state = arguments.state or (Path(".shoal") if arguments.keep else Path(temporary) / "state")
        demo = Demo(state.resolve())
        try:
            start(demo)
            deploy(demo)
            refuse(demo)
            come_back(demo, fail(demo))
            join(demo)
            demo.say("Done: everything above was read from the running system")
        except (StepFailed, StopIteration, subprocess.TimeoutExpired) as error:
            print(f"\nthe demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            if not arguments.keep:
                demo.shoal("down", show=False)
    if arguments.keep:
        print(f"  it keeps running; `shoal status --state {state}` looks, `shoal down --state {state}` stops it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
