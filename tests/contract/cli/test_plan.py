"""`shoal plan`, `shoal explain` and `shoal replay` against a small HTTP server that plays the gateway: what is sent, what is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shoal.cli.main import shoal

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {shoal.dev/application: shop}}\n"
WEB = "apps/Deployment/shop/web"


class Gateway(ThreadingHTTPServer):
    """Gives one answer to everything, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Any = {}
        self.asked: list[tuple[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: Any) -> None:
        self.server.asked.append((self.path, body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(gateway: Gateway, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(shoal, list(arguments), input=text, env={"SHOAL_URL": f"http://127.0.0.1:{gateway.server_port}"})


PLAN = {
    "revision": 40,
    "objects": [{"ref": WEB, "action": "changed", "fields": [{"path": "spec.replicas", "before": 2, "after": 3}]}],
    "placements": [
        {
            "ref": WEB, "before": {"m1": 2}, "after": {"m2": 3}, "moved": 2, "rounds": ["static weights: m2=3"], "recheckAfterS": 300.0,
            "leaving": [{"cluster": "m1", "reason": "ClusterLost", "waitFor": "ReplacementReady", "copy": "deleted"}],
        },
        {"ref": "Namespace/shop", "before": {}, "after": {"m2": None}},
        {"ref": "apps/Deployment/shop/new", "before": {}, "after": {"m1": 2, "m2": 1}, "alternative": {"m1": 1, "m2": 2}},
        {"ref": "Secret/shop/old", "before": {"m1": None}, "deleted": True},
    ],
    "manifests": [
        {"ref": WEB, "cluster": "m2", "action": "created", "fields": [{"path": "kind", "after": "Deployment"}], "overrides": ["OverridePolicy/shop/o"]},
        {"ref": WEB, "cluster": "m3", "action": "changed", "fields": [{"path": "spec.replicas", "before": 2, "after": 3}]},
        {"ref": WEB, "cluster": "m4", "action": "changed", "fields": [{"path": "spec.replicas", "before": 2, "after": 3}]},
        {"ref": "Secret/shop/s", "cluster": "m3", "action": "changed", "fields": [{"path": "data.k", "secret": True}]},
        {"ref": WEB, "cluster": "m1", "action": "deleted"},
        {"ref": WEB, "cluster": "m5", "action": "failed", "error": "OverridePolicy/shop/o, rule 1: no"},
    ],
    "estimates": [
        {"ref": WEB, "rooms": {"m1": 0, "m2": 3}, "without": {"m3": "its agent did not answer"}},
        {"ref": "x", "rooms": {f"c{number}": 1 for number in range(10)}},
        {"ref": "y", "without": {"m1": "its agent did not answer"}},
    ],
    "unplaced": [{"ref": "x", "reason": "NoClusterFit", "summary": "0/2 clusters are available", "rejected": [{"cluster": "m1", "reason": "Taint"}]}],
    "assumptions": ["cluster m1 is Lost"],
    "more": 3,
}  # fmt: skip
SHOWN = [
    "~ changed apps/Deployment/shop/web",
    "m1=2        m2=3 ",
    "apps/Deployment/shop/web leaves m1: ClusterLost, its copy is deleted, waits for ReplacementReady",
    "apps/Deployment/shop/web: static weights: m2=3",
    "decided again after 300 s",
    "m1=2, m2=1 (or m1=1, m2=2, by the uid it gets)",
    "(nowhere)   m2 ",
    "deleted",
    "+ created apps/Deployment/shop/web in m2 (overridden by OverridePolicy/shop/o)",
    "~ changed apps/Deployment/shop/web in m3, m4\n      spec.replicas: 2 -> 3",
    "data.k: changed",
    "- deleted apps/Deployment/shop/web in m1",
    "! failed apps/Deployment/shop/web in m5\n      OverridePolicy/shop/o, rule 1: no",
    "apps/Deployment/shop/web: estimates: m1 0, m2 3 (asked of the agents)",
    "x: NoClusterFit: 0/2 clusters are available\n      estimates: c0 1, c1 1, c2 1, c3 1, c4 1, c5 1, c6 1, c7 1 and 2 more (asked of the agents)",
    "m1: Taint",
    "cluster m1 is Lost",
    "Plan at revision 40: 1 objects change, 2 replicas move, 6 manifests differ in 5 clusters; 3 more bindings are not listed. Nothing was written.",
]


def test_a_plan_is_shown(gateway: Gateway) -> None:
    gateway.answer = PLAN
    result = run(gateway, "plan", "--cluster-down", "m1")
    assert result.exit_code == 0, result.output
    assert [line for line in SHOWN if line not in result.output] == [], result.output
    assert 'kind: (none) -> "Deployment"' not in result.output
    assert 'kind: (none) -> "Deployment"' in run(gateway, "plan", "--cluster-down", "m1", "--full").output


def test_what_a_plan_asks(gateway: Gateway, tmp_path: Path) -> None:
    cluster = tmp_path / "m9.yaml"
    cluster.write_text("apiVersion: cluster.karmada.io/v1alpha1\nkind: Cluster\nmetadata: {name: m9}\n")
    result = run(
        gateway, "plan", "-f", "-", "--delete", "v1/Secret/shop/a", "--cluster-join", str(cluster), "--set-image", "web=web:2", "--version", "2",
        "--rollback", "--id", "7", "--source", "ci", text=MANIFEST,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((path, body),) = gateway.asked
    assert path == "/api/plan"
    assert [one["metadata"]["name"] for one in body.pop("manifests")] == ["a"]
    assert [one["metadata"]["name"] for one in body.pop("clusterJoin")] == ["m9"]
    assert body == {
        "delete": ["v1/Secret/shop/a"], "images": {"web": "web:2"}, "application": "shop", "version": "2", "rollback": True, "id": "7",
        "source": "ci",
    }  # fmt: skip


def test_a_refusal_is_exit_code_1(gateway: Gateway) -> None:
    gateway.answer = {
        "revision": 1,
        "refused": [{"reason": "InvalidManifest", "message": "document 1: no", "violations": [["spec.x", "write y"]]}],
    }
    result = run(gateway, "plan", "-f", "-", text=MANIFEST)
    assert result.exit_code == 1
    assert "refused: InvalidManifest\n  document 1: no\n  spec.x: write y" in result.output


def test_nothing_to_plan_is_wrong_usage(gateway: Gateway) -> None:
    assert run(gateway, "plan").exit_code == 2


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_plan_for_programs(gateway: Gateway, form: str) -> None:
    from shoal.api.yaml import load

    gateway.answer = PLAN
    assert load(run(gateway, "plan", "--cluster-down", "m1", "-o", form).stdout) == PLAN


EXPLAINED = {
    "ref": WEB, "revision": 30, "decidedAt": "2026-01-01T00:00:00Z", "policy": "PropagationPolicy/shop/p", "lostPolicies": {"CPP/all": "later"},
    "summary": "fine", "rounds": ["static weights: m1=2"],
    "clusters": [
        {"cluster": name, "replicas": 2, "overrides": [
            {"policy": "ClusterOverridePolicy/c", "overrider": "imageOverrider", "field": "image", "operator": "replace", "value": "eu"},
            {"policy": "OverridePolicy/shop/o", "overrider": "labelsOverrider", "field": "metadata.labels[a]", "operator": "add", "value": "1"}]}
        for name in ("m1", "m2")
    ],
    "rejected": [{"cluster": "m3", "reason": "AffinityMismatch", "detail": "no"}],
    "now": {
        "changed": True, "clusters": [{"cluster": "m1", "replicas": 4}], "rejected": [{"cluster": "m3", "reason": "TaintNotTolerated", "detail": "x"}],
        "fitting": [{"cluster": "m1", "score": 100}, {"cluster": "m4", "score": 0}], "afresh": [{"cluster": "m4", "replicas": 4}], "rounds": ["by room"],
    },
}  # fmt: skip


def test_explain_shows_overrides_in_order_and_now_beside_then(gateway: Gateway) -> None:
    gateway.answer = EXPLAINED
    result = run(gateway, "explain", "deployment/web", "-n", "shop")
    assert gateway.asked == [("/api/explain?name=deployment%2Fweb&namespace=shop", None)]
    for line in (
        "policy    PropagationPolicy/shop/p",
        "not CPP/all: later",
        "decided 2026-01-01T00:00:00Z, revision 30",
        "m3       AffinityMismatch no   TaintNotTolerated x",
        "m4                             fits, not needed (score 0)",
        "m1, m2          1      ClusterOverridePolicy/c   image                replace   eu",
        "m1, m2          2      OverridePolicy/shop/o     metadata.labels[a]   add       1",
        "now       it would be decided anew: m1=4",
        "from zero it would be placed as m4=4",
        "by room",
    ):
        assert line in result.output, result.output


REPLAY = {
    "ref": WEB, "revision": 30, "viewPosition": 28, "decidedAt": "2026-01-01T00:00:00Z", "same": False, "agedOut": ["policy p"], "differences": [
        {"path": "clusters[m1].replicas", "before": 2}],
    "recordedDecision": {"policy": "p", "clusters": [{"cluster": "m1", "replicas": 2}], "removals": [], "summary": "fine"},
    "replayedDecision": {"policy": "q", "clusters": [], "removals": [{"cluster": "m1", "reason": "PolicyChanged"}], "summary": "no"},
}  # fmt: skip


def test_replay_shows_what_differs(gateway: Gateway, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: p}\n")
    gateway.answer = {"replays": [REPLAY]}
    result = run(gateway, "replay", "deployment/web", "-n", "shop", "--at", "31", "--policy", str(policy))
    assert result.exit_code == 0, result.output
    ((path, body),) = gateway.asked
    assert path == "/api/replay"
    assert (body["at"], body["name"], body["namespace"], body["policies"][0]["kind"]) == (31, "deployment/web", "shop", "PropagationPolicy")
    for line in ("no longer known: policy p", "runs in    m1=2       nowhere", "m1 (PolicyChanged)", "clusters[m1].replicas: 2 -> (none)"):
        assert line in result.output, result.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"same": True}, "the same again: m1=2", id="same"),
        pytest.param({"replayedDecision": None}, "cannot be decided again", id="aged-out"),
        pytest.param(
            {"replayedDecision": None, "agedOut": [], "reason": "WaitingForPolicy"}, "no placement (WaitingForPolicy", id="no-policy"
        ),
    ],
)
def test_replay_in_a_word(gateway: Gateway, change: dict[str, Any], says: str) -> None:
    gateway.answer = {"replays": [REPLAY | change]}
    assert says in run(gateway, "replay", "shop").output
