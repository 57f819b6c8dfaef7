"""Traces leave a process over OTLP/HTTP, joined by the headers of messages; without an endpoint nothing is recorded, but headers pass."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"

PROGRAM = """
import sys
from shoal.runtime import telemetry
from shoal.runtime.config import SchedulerConfig
recording = telemetry.configure(SchedulerConfig(otlp_endpoint=sys.argv[1], otlp_ratio=float(sys.argv[3])))
context = telemetry.extract({"traceparent": sys.argv[2]}) if sys.argv[2] else None
with telemetry.tracer("test").start_as_current_span("schedule", context=context):
    headers = {}
    telemetry.inject(headers)
    print(headers.get("traceparent", ""), "opentelemetry.sdk" in sys.modules)
recording.close()
"""


class Collector(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        import gzip

        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(endpoint: str, parent: str, ratio: float = 1.0) -> tuple[str, bool]:
    """The traceparent that the process hands on, and whether it loaded the SDK."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, endpoint, parent, str(ratio)], capture_output=True, text=True, check=True, timeout=30
    )
    *header, loaded = ended.stdout.split()
    return "".join(header), loaded == "True"


def test_a_span_joins_the_trace_of_the_message_and_is_sent(collector: Collector) -> None:
    header, _ = run(collector.url, PARENT)
    assert header.split("-")[1] == TRACE
    assert [path for path, _ in collector.received] == ["/v1/traces"]
    request = ExportTraceServiceRequest.FromString(collector.received[0][1])
    resource = request.resource_spans[0]
    span = resource.scope_spans[0].spans[0]
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("schedule", TRACE, "b7ad6b7169203331")
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == "shoal-scheduler"


@pytest.mark.parametrize(
    ("parent", "ratio", "sent"),
    [
        pytest.param(UNSAMPLED, 1.0, False, id="the-sender-decided-not-to"),
        pytest.param(PARENT, 0.0, True, id="the-sender-decided-to"),
        pytest.param("", 0.0, False, id="begins-here-and-is-left-out"),
        pytest.param("", 1.0, True, id="begins-here"),
    ],
)
def test_who_decides_what_is_recorded(collector: Collector, *, parent: str, ratio: float, sent: bool) -> None:
    run(collector.url, parent, ratio)
    assert bool(collector.received) is sent


def test_without_an_endpoint_headers_pass_and_nothing_is_loaded() -> None:
    assert run("", PARENT) == (PARENT, False)
