"""The command line's client and commands against a small HTTP server that plays the gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shoal.cli.client import Hub, HubRefused, HubUnreachable
from shoal.cli.main import shoal

READY = {"change": "01A", "application": "shop", "version": "2", "state": "ready", "objects": []}
Answer = tuple[int, Any]


class Gateway(ThreadingHTTPServer):
    """Answers from a table: a list for a path is used up one by one, its last entry stays."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str) -> Answer:
        given = self.answers.get(path, [(404, {"reason": "NotFound", "message": f"no {path}"})])
        return given.pop(0) if len(given) > 1 else given[0]


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: Any) -> None:
        self.server.requests.append((self.command, self.path, body))
        self.server.authorization = self.headers.get("Authorization")
        status, answer = self.server.take(self.path)
        streamed = self.headers["Accept"] == "text/event-stream" and status == 200
        text = "".join(f": comment\nid: 1\ndata: {json.dumps(one)}\n\n" for one in answer) if streamed else json.dumps(answer)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing: the tests look at `requests`."""


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
    return CliRunner().invoke(shoal, list(arguments), input=text, env={"SHOAL_URL": gateway.url, "SHOAL_TOKEN": "t0"})


def test_answers_and_errors(gateway: Gateway) -> None:
    gateway.answers = {
        "/a": [(200, {"x": 1})],
        "/bad": [(422, {"reason": "Invalid", "message": "no"})],
        "/busy": [(503, {"message": "loading"})],
    }
    hub = Hub(gateway.url, "secret")
    assert hub.get("/a") == {"x": 1}
    assert gateway.authorization == "Bearer secret"
    with pytest.raises(HubRefused, match="no") as refused:
        hub.get("/bad")
    assert refused.value.reason == "Invalid"
    with pytest.raises(HubUnreachable, match="loading"):
        hub.get("/busy")


def test_nobody_answers(gateway: Gateway) -> None:
    with pytest.raises(HubUnreachable, match=r"no hub answers at http://127\.0\.0\.1:1"):
        Hub("http://127.0.0.1:1").get("/a")


MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {shoal.dev/application: shop}}\n"
VIOLATION = {"reason": "Invalid", "message": "no", "violations": [["spec.x", "write y"]]}
STREAM = "/api/changes/01A/events"
ACCEPTED = (202, {"accepted": True, "change": "01A", "application": "shop", "version": "2"})


def test_deploy_sends_one_event_and_follows_it(gateway: Gateway) -> None:
    moving = READY | {"state": "applied", "objects": [{"ref": "ConfigMap/a", "clusters": [{"cluster": "m1", "state": "applied"}]}]}
    gateway.answers = {"/deploy": [ACCEPTED], STREAM: [(200, [moving]), (200, [moving, READY])]}
    result = run(gateway, "deploy", "-f", "-", "--id", "7", "--source", "ci", "--version", "2", "--set-image", "web=web:2", text=MANIFEST)
    assert result.exit_code == 0, result.output
    method, path, event = gateway.requests[0]
    assert (method, path, event["id"], event["source"], event["type"]) == ("POST", "/deploy", "7", "ci", "dev.shoal.deploy.v1")
    assert event["data"]["application"] == "shop"
    assert event["data"]["images"] == {"web": "web:2"}
    assert event["data"]["manifests"][0]["metadata"]["name"] == "a"
    assert "accepted shop 2 as change 01A" in result.output
    assert "applied: ConfigMap/a in m1" in result.output
    assert gateway.authorization == "Bearer t0"


def test_deploy_as_json_lines(gateway: Gateway) -> None:
    gateway.answers = {"/deploy": [ACCEPTED], STREAM: [(200, [READY | {"state": "applied"}, READY])]}
    result = run(gateway, "deploy", "-f", "-", "-o", "json", text=MANIFEST)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines == [{"answer": ACCEPTED[1]}, READY | {"state": "applied"}, READY]


@pytest.mark.parametrize(
    ("arguments", "answers", "code", "says"),
    [
        pytest.param([], {"/deploy": [(409, {"reason": "OlderVersion", "message": "3 is live"})]}, 1, "OlderVersion", id="refused"),
        pytest.param(
            [], {"/deploy": [(422, VIOLATION)]}, 1, "spec.x: write y", id="violations"
        ),
        pytest.param([], {"/deploy": [(200, {"accepted": False, "reason": "Invalid"})]}, 1, "refused: Invalid", id="answered-no"),
        pytest.param(["--no-wait"], {"/deploy": [ACCEPTED]}, 0, "accepted", id="no-wait"),
        pytest.param([], {"/deploy": [(503, {}), ACCEPTED], STREAM: [(200, [READY])]}, 0, "accepted", id="hub-restarts"),
        pytest.param([], {"/deploy": [ACCEPTED], STREAM: [(503, {}), (200, [READY])]}, 0, "ready", id="stream-breaks"),
        pytest.param(
            [], {"/deploy": [ACCEPTED], STREAM: [(200, [READY | {"state": "failed"}])]}, 3, "failed", id="failed"
        ),
        pytest.param(
            ["--timeout", "0.2"], {"/deploy": [ACCEPTED], STREAM: [(200, [READY | {"state": "applied"}])]}, 4,
            "not ready after 0.2 s", id="not-in-time",
        ),
    ],
)  # fmt: skip
def test_exit_code_of_deploy(gateway: Gateway, *, arguments: list[str], answers: dict[str, list[Answer]], code: int, says: str) -> None:
    gateway.answers = {path: list(given) for path, given in answers.items()}
    result = run(gateway, "deploy", "-f", "-", *arguments, text=MANIFEST)
    assert result.exit_code == code, result.output
    assert says in result.output


CLUSTERS = [
    {
        "name": "m1",
        "state": "Ready",
        "ready": True,
        "since": "2026-01-01T00:00:00Z",
        "provider": "alpha",
        "nodes": {"readyNum": 3, "totalNum": 3},
    },
    {"name": "m2", "state": "Lost", "ready": False, "message": "silent for 6 s"},
]
PLACE = {"cluster": "m1", "replicas": 2, "ready": 1, "health": "Healthy", "image": "web:2"}
EXPLAINED = {
    "ref": "apps/Deployment/shop/web", "policy": "PropagationPolicy/shop/web", "clusters": [{"cluster": "m1", "replicas": 2}],
    "removals": [{"cluster": "m2", "reason": "ClusterLost", "waitFor": "ReplacementReady"}],
    "rejected": [{"cluster": "m3", "reason": "TaintNotTolerated", "detail": "gpu:NoSchedule"}], "now": [], "rounds": ["m1 gets 2 of 2"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "path", "answer", "lines"),
    [
        pytest.param(["clusters"], "/api/clusters", CLUSTERS, ["m1     Ready", "m2     Lost", "silent for 6 s", "3/3"], id="clusters"),
        pytest.param(
            ["status"], "/api/status", {"problems": [{"subject": "cluster m2", "message": "lost"}], "clusters": CLUSTERS, "moves": []},
            ["1 problems", "cluster m2: lost", "Clusters: 1 of 2 ready", "Oldest change that is not everywhere: none"], id="status",
        ),
        pytest.param(
            ["status"], "/api/status",
            {
                "problems": [], "clusters": [], "moves": [{"ref": "Deployment/web", "from": "m2", "to": ["m4"], "reason": "ClusterLost"}],
                "oldest_change": {"change": "01A", "missing": [{"ref": "Deployment/web", "cluster": "m4", "state": "applied"}]},
            },
            ["Nothing is wrong.", "Deployment/web   m2     m4", "Deployment/web in m4: applied"], id="status-with-moves",
        ),
        pytest.param(
            ["where", "shop"], "/api/where/shop",
            {"application": "shop", "version": "2", "objects": [
                {"ref": "Deployment/web", "clusters": [PLACE]},
                {"ref": "Service/web", "clusters": []}]},
            ["shop version 2", "m1          1/2        Healthy   web:2", "Service/web      (nowhere)"], id="where",
        ),
        pytest.param(
            ["trace", "01A"], "/api/trace/01A",
            [{"hop": "accepted", "service": "gateway", "afterMs": 0}, {"hop": "applied", "service": "agent", "afterMs": 41.7}],
            ["    0 ms   accepted   gateway", "   42 ms   applied    agent"], id="trace",
        ),
        pytest.param(
            ["trace", "01A", "Deployment/web"], "/api/trace/01A",
            [{"hop": "work", "service": "override-renderer", "ref": "apps/Deployment/shop/web", "afterMs": 7},
             {"hop": "cluster.lost", "service": "override-renderer", "ref": "Service/shop/web", "afterMs": 8}],
            ["    7 ms   work"], id="trace-one-object",
        ),
        pytest.param(
            ["explain", "shop"], "/api/explain?app=shop", {"objects": [EXPLAINED]},
            ["policy    PropagationPolicy/shop/web", "m3       TaintNotTolerated gpu:NoSchedule", "ReplacementReady", "m1 gets 2 of 2"],
            id="explain",
        ),
        pytest.param(
            ["explain", "apps/Deployment/shop/web"], "/api/explain/apps/Deployment/shop/web", EXPLAINED, ["m1        2"], id="explain-one"
        ),
        pytest.param(["explain", "/ConfigMap/shop/a"], "/api/explain/_/ConfigMap/shop/a", EXPLAINED, ["m1        2"], id="explain-core"),
        pytest.param(
            ["events", "--type", "deploy"], "/api/events",
            [{"id": "1", "type": "deploy.ready", "time": "2026-01-01T00:00:00Z", "subject": "shop", "data": {"change": "01A"}},
             {"id": "2", "type": "cluster.lost", "subject": "m2"}],
            ["deploy.ready            shop  change=01A"], id="events",
        ),
    ],
)  # fmt: skip
def test_tables(gateway: Gateway, *, arguments: list[str], path: str, answer: Any, lines: list[str]) -> None:
    gateway.answers = {path: [(200, answer)]}
    result = run(gateway, *arguments, "--state", "/nowhere")
    assert result.exit_code == 0, result.output
    assert [line for line in lines if line not in result.output] == [], result.output
    assert "cluster.lost" not in result.output


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_for_programs(gateway: Gateway, form: str) -> None:
    gateway.answers = {"/api/clusters": [(200, CLUSTERS)]}
    result = run(gateway, "clusters", "-o", form)
    from shoal.api.yaml import load

    assert load(result.stdout) == CLUSTERS
