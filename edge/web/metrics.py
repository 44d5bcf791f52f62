"""`/metrics` for Prometheus: what the feed heard, and what the kernel says of the processes. No label per part."""

import json
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily

from edge.messages import Live
from edge.settings import StateFolder
from edge.web.feed import Feed
from edge.web.reader import Reader
from vocabulary import LedgerError, Mode, Verdict

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
SHARES = (0.5, 0.99, 0.999, 1.0)
NEWEST = 10_000  # parts: the least of which p99.9 says something
PAGE_BYTES = 4096
PLC_COUNTERS = {"parts": "triggers given", "rejects": "parts rejected", "timeouts": "parts without a verdict in time"}


class Metrics:
    """One for the web process. Laps are counted as they come; everything else is read when somebody asks."""

    def __init__(self, state: StateFolder, feed: Feed, reader: Reader) -> None:
        self.state, self.feed, self.reader = state, feed, reader
        self.registry = CollectorRegistry()
        self.laps = Histogram(
            "jidoka_lap_seconds", "Poll that saw the trigger → end of this lap.", ["lap"], buckets=BUCKETS_S,
            registry=self.registry,
        )  # fmt: skip
        self._commits: deque[int] = deque(maxlen=NEWEST)  # microseconds, of each part's group
        self._health: dict[str, dict[str, float]] = {}  # of each camera's last picture
        self._newest: dict[str, deque[int]] = {}  # lap → microseconds
        self.registry.register(self)
        feed.on_part = self.part

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    def part(self, live: Live) -> None:
        """One part as recorded."""
        self._commits.append(live.commit_us)
        self._health |= {one["camera"]: one.get("health", {}) for one in live.body["pictures"]}
        laps = [*live.body["laps_us"].items()]
        for taken in live.body.get("taken", []):  # the last laps of parts before it
            laps += [("written", taken["written_us"]), ("consumed", taken["consumed_us"])]
        for lap, us in laps:
            self.laps.labels(lap).observe(us / 1e6)
            self._newest.setdefault(lap, deque(maxlen=NEWEST)).append(us)

    def collect(self) -> Iterator[Metric]:
        """What is true now."""
        parts = CounterMetricFamily("jidoka_parts", "Parts in the ledger.", labels=["verdict"])
        for verdict in Verdict:
            parts.add_metric([verdict], self.feed.counts.get(verdict, 0))
        yield parts
        what = "Pictures that should have been kept and were not, since the recorder started."
        yield CounterMetricFamily("jidoka_pictures_not_kept", what, value=self.feed.not_kept)
        what = "The laps of the last 10,000 parts as they were; quantile 1 is the longest."
        lasted = GaugeMetricFamily("jidoka_lap_quantile_seconds", what, labels=["lap", "quantile"])
        for lap, newest in self._newest.items():
            for share, seconds in quantiles(newest):
                lasted.add_metric([lap, share], seconds)
        yield lasted
        what = "How long the commits of the last 10,000 parts took; quantile 1 is the longest."
        commits = GaugeMetricFamily("jidoka_commit_quantile_seconds", what, labels=["quantile"])
        for share, seconds in quantiles(self._commits):
            commits.add_metric([share], seconds)
        yield commits
        health = GaugeMetricFamily("jidoka_picture_health", "The last picture's figures.", labels=["camera", "figure"])
        for camera, values in self._health.items():
            for name, value in values.items():
                health.add_metric([camera, name], value)
        yield health
        yield from self._gate()
        yield from self._machine()

    def _gate(self) -> Iterator[Metric]:
        gate, fresh = self.feed.gate, self.feed.fresh()
        yield GaugeMetricFamily("jidoka_station_up", "The gate spoke within 1.5 s.", value=fresh)
        yield GaugeMetricFamily("jidoka_ready", "The station can inspect.", value=bool(fresh and gate and gate.ready))
        if gate is None:
            return
        yield GaugeMetricFamily(
            "jidoka_gate_age_seconds", "Age of its last word.", value=(self.feed.age_ms() or 0) / 1e3
        )
        yield GaugeMetricFamily("jidoka_deadline_seconds", "The deadline that holds.", value=gate.deadline_ms / 1e3)
        yield StateSetMetricFamily("jidoka_mode", "Who releases parts.", {mode: gate.mode == mode for mode in Mode})
        unmet = GaugeMetricFamily("jidoka_unmet", "What keeps READY off.", labels=["code"])
        for why in {why.code for why in gate.unmet}:
            unmet.add_metric([why], 1)
        yield unmet
        alarms = GaugeMetricFamily("jidoka_alarms", "Alarms that stand.", labels=["key", "priority", "state"])
        for alarm in gate.alarms:
            alarms.add_metric([alarm.key, str(alarm.priority), alarm.state], 1)
        yield alarms
        yield GaugeMetricFamily("jidoka_forced_signals", "Signals forced in SETUP.", value=len(gate.forced))
        yield CounterMetricFamily("jidoka_late_answers", "Recorded, never applied.", value=gate.counts.get("late", 0))
        held = GaugeMetricFamily("jidoka_records_held", "Rows that are not on disk yet.", labels=["when"])
        for when, key in (("now", "held"), ("most", "held_most")):
            held.add_metric([when], gate.counts.get(key, 0))
        yield held
        missed = gate.counts.get("missed", 0)
        yield CounterMetricFamily("jidoka_deadline_misses", "Parts that time ran out for.", value=missed)
        shed = CounterMetricFamily("jidoka_shed", "Given up under load, since the gate started.", labels=["what"])
        for what, key in (("parts", "shed"), ("ok_pictures", "pictures_shed")):
            shed.add_metric([what], gate.counts.get(key, 0))
        yield shed
        yield GaugeMetricFamily("jidoka_plc_linked", "The PLC answers.", value=bool(gate.plc.get("linked")))
        for name, means in PLC_COUNTERS.items():
            if name in gate.plc:
                yield CounterMetricFamily(f"jidoka_plc_{name}", f"As the PLC counts: {means}.", value=gate.plc[name])
        if "transport_ms" in gate.plc:
            worst_s = gate.plc["transport_ms"] / 1e3
            yield GaugeMetricFamily("jidoka_plc_transport_seconds", "Worst way to the PLC and back.", value=worst_s)

    def _machine(self) -> Iterator[Metric]:
        disk = shutil.disk_usage(self.state.root)
        yield GaugeMetricFamily("jidoka_disk_free_bytes", "Of the state folder's disk.", value=disk.free)
        ledger = self.state.ledger
        yield GaugeMetricFamily(
            "jidoka_ledger_bytes", "The ledger.", value=ledger.stat().st_size if ledger.exists() else 0
        )
        try:
            rows, kept = self.reader.kept()
        except LedgerError:
            pass  # the recorder has not made it yet: a metric that is not known is left out
        else:
            yield CounterMetricFamily("jidoka_ledger_rows", "Rows of the ledger.", value=rows)
            pictures = GaugeMetricFamily("jidoka_picture_bytes", "Kept pictures.", labels=["retention"])
            for retention, size in kept.items():
                pictures.add_metric([retention], size)
            yield pictures
        memory = GaugeMetricFamily("jidoka_process_resident_bytes", "Memory of each process.", labels=["process"])
        for name, pid in processes(self.state.endpoints):
            if (resident := resident_bytes(pid)) is not None:
                memory.add_metric([name], resident)
        yield memory


def quantiles(us: deque[int]) -> list[tuple[str, float]]:
    """SHARES of them in words, in seconds; none of none."""
    if not us:
        return []
    found = np.quantile(us, SHARES, method="higher") / 1e6
    return [(f"{share:g}", float(seconds)) for share, seconds in zip(SHARES, found, strict=True)]


def processes(endpoints: Path) -> list[tuple[str, int]]:
    """(name, pid) of the station's processes; none while the supervisor has not written them."""
    try:
        found = json.loads(endpoints.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [(name, its["pid"]) for name, its in found.items() if "pid" in its]


def resident_bytes(pid: int) -> int | None:
    """From /proc; None: the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
