"""Traces (OpenTelemetry, OTLP over HTTP) and metrics (prometheus_client). Only this file configures them; everybody may use their APIs.

Without an endpoint nothing is recorded and the SDK is not even imported, but the trace headers of others are still passed on.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context

from shoal.runtime.config import ServiceConfig

tracer = trace.get_tracer
"""`tracer("shoal.scheduler")`: with an endpoint it records, without one it costs next to nothing."""


class Telemetry:
    """What `configure` set up; `close` sends what is left."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider

    def close(self) -> None:
        """Flushes the spans that wait. Blocks for at most a few seconds; call it last, off the event loop."""
        if self._provider is not None:
            self._provider.shutdown()


def configure(config: ServiceConfig) -> Telemetry:
    """Starts recording traces when `otlp_endpoint` is set: the sender's decision to sample counts, else `otlp_ratio`."""
    if not config.otlp_endpoint:
        return Telemetry()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(config.otlp_ratio),
        resource=Resource.create({"service.name": f"shoal-{config.name}", "service.namespace": "shoal"}),
        shutdown_on_exit=False,  # `run` closes it, after the service has stopped.
    )
    exporter = OTLPSpanExporter(endpoint=config.otlp_endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return Telemetry(provider)


def inject(headers: MutableMapping[str, str]) -> None:
    """Adds `traceparent` of the current span to the headers of a message or request."""
    propagate.inject(headers)


def extract(headers: MutableMapping[str, str]) -> Context:
    """The sender's trace context, to be given to `start_as_current_span(context=...)`."""
    return propagate.extract(headers)


@contextmanager
def following(name: str, traceparent: str, **attributes: str) -> Iterator[dict[str, str]]:
    """A span that continues the trace of an entry; gives the headers for what is written because of it.

    One deploy is one trace through all processes: each hop follows the entry it read and hands its own context on with what it writes.
    """
    context = propagate.extract({"traceparent": traceparent}) if traceparent else Context()
    with trace.get_tracer("shoal").start_as_current_span(name, context=context, attributes=attributes):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        yield headers or ({"traceparent": traceparent} if traceparent else {})


def metrics() -> bytes:
    """The process's metrics in Prometheus' text format. A scrape of many series takes tens of milliseconds: call it in a thread."""
    from prometheus_client import generate_latest

    return generate_latest()
