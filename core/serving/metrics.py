"""What the scoring API counts, for Prometheus."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one API, none of them shared with another in the process."""

    def __init__(self) -> None:
        known = self._known = CollectorRegistry()
        ProcessCollector(registry=known)
        self.requests = Counter(
            "dayloop_api_requests",
            "Requests by path and status.",
            ["path", "status"],
            registry=known,
        )
        self.seconds = Histogram(
            "dayloop_api_request_seconds",
            "From a request's head to its answer.",
            ["path"],
            buckets=SECONDS,
            registry=known,
        )
        self.rows = Counter(
            "dayloop_api_rows", "Rows scored, by version.", ["model", "version"], registry=known
        )
        self.held = Gauge(
            "dayloop_api_held_bytes", "Of bodies being read or scored.", registry=known
        )
        self.waiting = Gauge("dayloop_api_waiting", "For a thread, or in one.", registry=known)
        self.version = Gauge(
            "dayloop_api_model_info",
            "1 for the one that serves.",
            ["model", "version"],
            registry=known,
        )
        self.swaps = Counter("dayloop_api_swaps", "Changes of what serves.", registry=known)
        self.failures = Counter(
            "dayloop_api_look_failures",
            "Looks at the registry that failed: it, or the new champion.",
            registry=known,
        )
        self.looked = Gauge(
            "dayloop_api_looked_timestamp_seconds", "The last look that did not.", registry=known
        )
        self.logged = Counter(
            "dayloop_api_logged_rows",
            "Rows for the request log: written, or lost to a full queue.",
            ["outcome"],
            registry=known,
        )

    def serves(self, model: str, version: int | None) -> None:
        """Another version serves, or none."""
        self.swaps.inc()
        self.version.clear()
        if version is not None:
            self.version.labels(model, str(version)).set(1)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._known)
