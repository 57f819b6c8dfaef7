"""Every setting: one frozen struct per service, read once from the environment (`SHOAL_<FIELD>`); `docs/settings.md` is written from here.

A field's name ends in its unit; its docstring gives the meaning and why the default is what it is. Relations between settings are checked
when a struct is made. A setting that cannot be used is `SettingInvalid`, which names the variable and what to write.
"""

from __future__ import annotations

import ipaddress
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from shoal.api.errors import SettingInvalid

PREFIX = "SHOAL_"
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Bytes = Annotated[int, Meta(ge=1024)]


def variable(field: str) -> str:
    """The environment variable of a field: `bus_url` -> `SHOAL_BUS_URL`."""
    return PREFIX + field.upper()


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What every process of Shoal is told."""

    name: str = "service"
    """Name of this process in logs, traces and files below `state_dir`; two processes on one machine need two names."""
    bus_url: str = "nats://127.0.0.1:4222"
    """Where nats-server listens; several addresses separated by commas. The default is one machine's."""
    bus_credentials_file: str = ""
    """NATS credentials file, or a file with user and password in two lines, or with a token. Empty is enough only on loopback."""
    bus_ca_file: str = ""
    """PEM file of the authority that signed the server's certificate; setting it makes TLS mandatory."""
    bus_prefix: str = ""
    """Put before every subject, for a bus that gives each cluster an account and imports its subjects under a prefix."""
    http_host: str = "127.0.0.1"
    """Address of the HTTP server with `/healthz`, `/readyz`, `/metrics`, `/status`. Loopback, because nothing there asks who you are."""
    http_port: Port = 0
    """Port of that server; 0 takes any free one and writes it to `<state_dir>/run/<name>.json`, so that nothing clashes on one machine."""
    state_dir: str = ""
    """Directory where the process announces itself, and keeps what it may lose. Empty announces nothing: a container's port is known."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written. One deploy writes about one info line per hop and cluster."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`: one object per line; `console`: for people; `auto`: console on a terminal, else json."""
    otlp_endpoint: str = ""
    """Base address of an OTLP/HTTP collector, such as `http://127.0.0.1:4318`; traces go to `<it>/v1/traces`. Empty records no traces."""
    otlp_ratio: Share = 1.0
    """Share of deploys that are traced, decided where a trace begins; all, because a recorded span costs 26 us and deploys are few."""
    stop_limit_s: Positive = 10.0
    """How long a graceful stop may take before the process leaves anyway: half of the 20 s that container platforms usually leave."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", self.name):
            raise invalid("name", self.name, "write letters, digits, '-', '_' or '.'")
        for field in ("bus_url", "otlp_endpoint"):
            value: str = getattr(self, field)
            if value and not all(re.match(r"[a-z]+://[^/\s]", one.strip()) for one in value.split(",")):
                raise invalid(
                    field, value, "write an address with its scheme, such as " + ("nats" if field == "bus_url" else "http") + "://host:port"
                )


class HubConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the four services of the hub share."""

    workers: Count = 8
    """Keys handled at once. They mostly wait for the bus, where writes in flight together share one fsync."""
    resync_interval_s: Positive = 300.0
    """The same reconcile over all keys, with a fifth of jitter: a lost notification costs minutes, not truth."""


class GatewayConfig(HubConfig, frozen=True, kw_only=True):
    """`gateway`: the door for users, CI and kubectl."""

    name: str = "gateway"
    tokens_file: str = ""
    """File with one `token user [group,...]` per line; who shows none is refused. Needed off loopback; empty asks nobody on loopback."""
    tls_cert_file: str = ""
    """PEM certificate chain of the HTTP server. Needed off loopback, because tokens would travel readable without it."""
    tls_key_file: str = ""
    """PEM key of that certificate."""
    object_bytes_max: Bytes = 1_572_864
    """Largest object, as JSON: 1.5 MiB, as etcd's default limit for a request, so that what a real cluster takes the hub takes too."""
    request_bytes_max: Bytes = 3_145_728
    """Largest body of a Kubernetes API request, as kube-apiserver has it (3 MiB)."""
    deploy_bytes_max: Bytes = 33_554_432
    """Largest deploy event over HTTP (32 MiB); over NATS the server's `max_payload` of 8 MB counts."""
    deploy_objects_max: Count = 998
    """Objects in one deploy: an atomic batch takes 1,000 messages, two of them are the change record and the application's head."""
    change_keep_days: Count = 30
    """Change records are kept this long, and with them the answer to a repeated event."""
    changes_keep_min: Count = 50
    """Records kept per application however old they are, so that an application that is deployed once a year still has a history."""
    default_resource_models: bool = False
    """A Cluster that names no resource models gets Karmada's nine grades. Off, unlike Karmada's gate CustomizedClusterResourceModeling: a node
    counts with the lower bounds of its grade, so one with less than 1 CPU or 4 GiB free has room for nothing, and one with 15 CPU for 8."""
    hpa_scale_target_marker: bool = False
    """A Deployment that a HorizontalPodAutoscaler of the members scales gets the label by which each member keeps its own number. Off, as
    Karmada's controller hpaScaleTargetMarker: who scales by the template would wonder why members no longer follow it."""
    deployment_replicas_syncer: bool = False
    """`spec.replicas` of a divided Deployment with that label follows what its members have. Off, as Karmada's controller
    deploymentReplicasSyncer: it overwrites what a user has written, and so does the next deploy that names a number."""
    federated_hpa_sync_s: Positive = 15.0
    """How often FederatedHPAs are looked at, each cluster asked once for all of them. As Kubernetes' and Karmada's: metrics servers measure as
    often."""
    federated_hpa_tolerance: Share = 0.1
    """Share of its target by which usage may differ without a change, where `spec.behavior` says nothing else. As Kubernetes'."""
    federated_hpa_downscale_stabilization_s: NotNegative = 300.0
    """For how long the highest recommendation holds before replicas are taken away, where `spec.behavior` says nothing else. As Kubernetes'."""
    federated_hpa_cpu_initialization_s: NotNegative = 300.0
    """So long after its start the CPU usage of a pod counts only while it is ready, for a whole window of its metrics. As Kubernetes'."""
    federated_hpa_initial_readiness_s: NotNegative = 30.0
    """A pod that is not ready, and was not after so long from its start, counts as one that never was. As Kubernetes'."""
    federated_hpa_timeout_s: Positive = 5.0
    """How long a round waits for the clusters; the pods of one that is late count as pods without metrics. Each answer costs its member three
    requests for each workload."""
    request_timeout_s: Positive = 10.0
    """How long a request waits for the bus before it is answered 503 with Retry-After; kubectl and CI retry by themselves."""
    watch_window: Count = 10_000
    """Past events kept per process for watches that come back; older ones get 410 and list again. About 1 kB each."""
    sse_keepalive_s: Positive = 15.0
    """A comment line on silent event streams, below the 30 to 60 s after which proxies cut a silent connection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise invalid("tls_key_file", self.tls_key_file, "give the certificate and its key together")
        if not is_loopback(self.http_host) and not (self.tokens_file and self.tls_cert_file):
            raise invalid(
                "http_host", self.http_host,
                "off loopback set SHOAL_TOKENS_FILE, SHOAL_TLS_CERT_FILE and SHOAL_TLS_KEY_FILE, or listen on 127.0.0.1",
            )  # fmt: skip
        if self.object_bytes_max > self.request_bytes_max:
            raise invalid("object_bytes_max", self.object_bytes_max, "write at most SHOAL_REQUEST_BYTES_MAX: an object comes in a request")
        if self.federated_hpa_timeout_s >= self.federated_hpa_sync_s:
            raise invalid("federated_hpa_timeout_s", self.federated_hpa_timeout_s, "write less than SHOAL_FEDERATED_HPA_SYNC_S, a round")


class SchedulerConfig(HubConfig, frozen=True, kw_only=True):
    """`scheduler`: decides which clusters get how many replicas."""

    name: str = "scheduler"
    workers: Count = 64
    """Templates decided at once: all that are ready at one moment are written as one batch, with one fsync."""
    quota_enforcement: bool = False
    """Decisions that would exceed a FederatedResourceQuota's `spec.overall` are not made (QuotaExceeded). Off, as Karmada's gate
    FederatedQuotaEnforcement: `overall` is mandatory there, also for who only wants the parts of each cluster."""
    estimates: Literal["never", "constrained", "always"] = "constrained"
    """When agents are asked how many pods fit, node by node, before replicas are divided by free room: `constrained` asks for pods with
    node selectors, node affinity or tolerations, of which sums say nothing; `always` also where free room may be in pieces, or a quota
    may be in the way. Each question makes the member list its nodes and pods."""
    estimate_timeout_s: Positive = 3.0
    """How long a decision waits for those answers; who is late keeps the general estimate. As Karmada's."""
    deschedule_interval_s: NotNegative = 0.0
    """How often agents are asked for pods that no node takes, so that these replicas move on to clusters with room; 0: never. Off, as the
    descheduler is a component of its own in Karmada, where it asks every 120 s: it takes replicas from where a policy has put them."""
    deschedule_after_s: Positive = 300.0
    """How long pods have to have found no node before they move on. As Karmada's: a cluster that grows by itself gets its node within that."""
    lease_ttl_s: Positive = 6.0
    """The active scheduler's lease; a standby takes over that long after it was killed, as fast as a lost cluster is noticed."""


class RendererConfig(HubConfig, frozen=True, kw_only=True):
    """`override-renderer`: writes each cluster's own manifest."""

    name: str = "override-renderer"
    page_items_max: Count = 1_000
    """Keys in one page of an agent's list; about 100 kB, far below the server's `max_payload`."""


class MonitorConfig(HubConfig, frozen=True, kw_only=True):
    """`health-monitor`: beats and reports in, beliefs and status out."""

    name: str = "health-monitor"
    beat_interval_s: Positive = 2.0
    """What the agents are told to beat at; the graces below are counted in it."""
    suspect_after_s: Positive = 4.0
    """Silence after which a cluster is Suspect: two missed beats. It gets nothing new, nothing moves yet."""
    grace_s: Positive = 6.0
    """Silence after which a cluster is Lost and its workloads move: three missed beats, because a slow disk can swallow two."""
    status_interval_s: Positive = 0.25
    """Aggregated status of one object is written at most this often: a rollout changes it many times a second, each write is an fsync."""
    page_items_max: Count = 1_000
    """Items in one page of the list of reports heard."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grace_s < 3 * self.beat_interval_s:
            raise invalid(
                "grace_s",
                self.grace_s,
                f"write at least three beats, {3 * self.beat_interval_s:g}: fewer would move workloads for one lost packet",
            )
        if not self.beat_interval_s < self.suspect_after_s <= self.grace_s:
            raise invalid("suspect_after_s", self.suspect_after_s, "write more than one beat and at most SHOAL_GRACE_S")


class AgentConfig(ServiceConfig, frozen=True, kw_only=True):
    """`agent`: one per member cluster; applies what it finds on the bus and reports. With `embedded_dir` it is the cluster, too."""

    name: str = "agent"
    cluster: str
    """Name of the member cluster in the hub. Required; a name that another cluster has is refused by the hub."""
    kubeconfig: str = ""
    """Kubeconfig file of the member. One of `kubeconfig`, `in_cluster`, `embedded_dir` must be given."""
    context: str = ""
    """Context of that file; empty takes the file's current one."""
    in_cluster: bool = False
    """Use the service account of the pod the agent runs in."""
    provider: str = ""
    """Vendor of the cluster, for placement by field; used when the Cluster object is made, which users may change afterwards."""
    region: str = ""
    """Region of the cluster."""
    zones: tuple[str, ...] = ()
    """Zones of the cluster, separated by commas."""
    labels: dict[str, str] = {}
    """Labels of the Cluster object, `key=value` separated by commas."""
    beat_interval_s: Positive = 2.0
    """Beat of the agent. Three missed ones make a cluster lost, so a cut is noticed in about 6 s at 0.5 messages/s per cluster."""
    relist_interval_s: Positive = 300.0
    """Full list of works and comparison, also when nothing was heard: a lost notification costs minutes, not truth."""
    relist_jitter: Share = 0.2
    """Share of that interval by which each list is moved, so that a thousand agents that started together do not list together."""
    inventory_interval_s: Positive = 15.0
    """How often nodes, capacity and API kinds are read again; sent only when changed."""
    workers: Count = 4
    """Objects applied at once. A small member takes about 200 applies/s; a few in flight hide the round trip and leave it room."""
    api_timeout_s: Positive = 10.0
    """One request to the member's API server; then it counts as unavailable and is retried with back-off."""
    lease_s: Positive = 15.0
    """Lease in the member that keeps a second agent waiting; as kube's own leader election."""
    drift_limit_per_minute: Count = 30
    """Corrections of one object's drift per minute; more is somebody else's controller fighting back, which is reported instead."""
    embedded_dir: str = ""
    """Directory of an embedded member: the process runs an API server and simulated controllers, and keeps its journal here."""
    embedded_port: Port = 0
    """Port of the embedded member's API server on loopback."""
    embedded_kubeconfig: str = ""
    """Where the embedded member writes its kubeconfig, with its token; empty: into its directory."""
    embedded_nodes: Annotated[int, Meta(ge=0)] = 3
    """Simulated nodes. 0: workload controllers run, nothing becomes ready by itself, nodes that others write are left alone."""
    embedded_ready_after_s: Annotated[float, Meta(ge=0)] = 1.0
    """How long a simulated pod takes to become ready; long enough to be seen, short enough to wait for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", self.cluster):
            raise invalid("cluster", self.cluster, "write lower case letters, digits, '-' or '.', as a Kubernetes object name")
        given = [field for field in ("kubeconfig", "in_cluster", "embedded_dir") if getattr(self, field)]
        if len(given) != 1:
            raise invalid("kubeconfig", self.kubeconfig, "set exactly one of SHOAL_KUBECONFIG, SHOAL_IN_CLUSTER=true, SHOAL_EMBEDDED_DIR")
        if self.lease_s < 3 * self.beat_interval_s:
            raise invalid("lease_s", self.lease_s, f"write at least three beats, {3 * self.beat_interval_s:g}: it is renewed with the beat")

    @property
    def embedded(self) -> bool:
        """This process is the member cluster, too."""
        return bool(self.embedded_dir)


SERVICES: tuple[type[ServiceConfig], ...] = (GatewayConfig, SchedulerConfig, RendererConfig, MonitorConfig, AgentConfig)
OTHER_VARIABLES = frozenset({"SHOAL_URL", "SHOAL_TOKEN", "SHOAL_CA_FILE", "SHOAL_STATE", "SHOAL_SUPERVISED", "SHOAL_STORE_KEY"})
"""Variables of the command line and of the supervisor, which are no settings of a service."""

C = TypeVar("C", bound=ServiceConfig)


def invalid(field: str, value: object, advice: str) -> SettingInvalid:
    """The error for one setting: which variable, what it holds, what to write. A password in an address is not shown."""
    shown = re.sub(r"//[^/@\s]*@", "//***@", str(value))
    return SettingInvalid(f"{variable(field)}={shown}: {advice}" if shown else f"{variable(field)} is not set: {advice}")


def is_loopback(host: str) -> bool:
    """True for names and addresses that only this machine reaches. An unknown name counts as reachable by others."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(kind: type[C], environment: Mapping[str, str]) -> C:
    """The settings of one service. An empty variable counts as not set. Raises `SettingInvalid`."""
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        text = environment.get(variable(field.name), "")
        if text:
            given[field.name] = _parts(field.name, text, field.type)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(kind, str(error), given) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`SHOAL_*` variables that no service knows: most likely a typing error, worth a warning."""
    known = {variable(field.name) for kind in SERVICES for field in msgspec.structs.fields(kind)} | OTHER_VARIABLES
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _parts(field: str, text: str, kind: Any) -> Any:
    """Lists and maps are written with commas in one variable; everything else is converted by msgspec."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if origin is dict:
        pairs = [item.strip().partition("=") for item in text.split(",") if item.strip()]
        if not all(key and separator for key, separator, _ in pairs):
            raise invalid(field, text, "write key=value, separated by commas")
        return {key: value for key, _, value in pairs}
    return text


_WORDS = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "a text"}


def _explained(kind: type[ServiceConfig], error: str, given: Mapping[str, Any]) -> SettingInvalid:
    """Turns msgspec's sentence into one about the variable: `Expected `float` > 0.0 - at `$.grace_s``."""
    missing = re.search(r"missing required field `(\w+)`", error)
    if missing:
        return invalid(missing[1], "", _meaning(kind, missing[1]))
    field = re.search(r" - at `\$\.(\w+)", error)
    if not field:
        return SettingInvalid(error)
    choices = typing.get_args(next(one.type for one in msgspec.structs.fields(kind) if one.name == field[1]))
    wanted = re.match(r"Expected `(\w+)`([^,]*)", error.partition(" - at ")[0])
    advice = f"write {_WORDS.get(wanted[1], wanted[1])}{wanted[2]}" if wanted else f"write one of {', '.join(map(str, choices))}"
    return invalid(field[1], given.get(field[1], ""), f"{advice} ({_meaning(kind, field[1])})")


def _meaning(kind: type[ServiceConfig], field: str) -> str:
    """First sentence of the field's docstring, from the nearest class that has one."""
    from shoal.runtime.settings_page import docstrings  # Parses this file: only worth it for an error.

    texts = docstrings()
    text = next((texts[base.__name__][field] for base in kind.__mro__ if field in texts.get(base.__name__, {})), "")
    return re.split(r"(?<=[.;])\s", text, maxsplit=1)[0].rstrip(".;")
