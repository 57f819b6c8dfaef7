"""One deploy is one OpenTelemetry trace through all five processes; and `shoal trace` names each hop with its time."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.machine import Machine, eventually, machine

CONFIG = """
apiVersion: v1
kind: Namespace
metadata: {name: traced}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: everything, namespace: traced}
spec:
  resourceSelectors: [{apiVersion: v1, kind: ConfigMap}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: traced}
data: {color: blue}
"""


class Collector:
    """Takes OTLP over HTTP, as any collector does."""

    def __init__(self) -> None:
        self.spans: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """Trace id -> (service, span name)."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silent: the test's output is its own."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.trace_id.hex()].add((service, span.name))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Collector]]:
    collector = Collector()
    state: Path = tmp_path_factory.mktemp("traced") / "state"
    try:
        with machine(state, "--members", "m1", SHOAL_OTLP_ENDPOINT=collector.address, OTEL_BSP_SCHEDULE_DELAY="300") as it:
            yield it, collector
    finally:
        collector.server.shutdown()


def test_one_deploy_is_one_trace_through_five_processes(traced: tuple[Machine, Collector]) -> None:
    it, collector = traced
    answer = it.deploy({"id": "traced-1", "source": "e2e", "data": {"application": "traced", "manifests": CONFIG}})
    assert answer["accepted"], answer
    wanted = {"shoal-gateway", "shoal-scheduler", "shoal-override-renderer", "shoal-member-m1", "shoal-health-monitor"}

    def joined() -> set[tuple[str, str]] | None:
        return next((spans for spans in collector.spans.values() if {service for service, _ in spans} >= wanted), None)

    spans = eventually(joined, limit_s=30, what=f"one trace with spans of {sorted(wanted)}")
    assert {name for service, name in spans if service == "shoal-scheduler"} == {"schedule"}


def test_shoal_trace_names_every_hop(traced: tuple[Machine, Collector]) -> None:
    it, _ = traced
    answer = it.deploy({"id": "traced-2", "source": "e2e", "data": {"application": "traced", "manifests": CONFIG.replace("blue", "green")}})

    def services() -> set[str]:
        return {hop["service"] for hop in it.hub.get(f"/api/trace/{answer['change']}")}

    wanted = {"gateway", "scheduler", "override-renderer", "agent", "health-monitor"}
    eventually(lambda: services() >= wanted, limit_s=20, what=f"hops of {sorted(wanted)}")
    assert "override-renderer" in it.shoal("trace", answer["change"]).stdout
