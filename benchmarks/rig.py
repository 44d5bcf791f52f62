"""The demo's station and machine at settings of our own, and what a benchmark asks of them while they run."""

import atexit
import contextlib
import http.client
import json
import os
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tomlkit

from edge import demo, demo_station
from edge.recorder.verify import part_rows, read_account, reconcile
from edge.settings import StateFolder
from plc_io import signals
from vocabulary import utc_now

CLI = [sys.executable, "-m", "cli"]
JITTER = 0.1  # of the spacing: the belt makes good for a part that came late (recipes know the least spacing)
TICKS = os.sysconf("SC_CLK_TCK")
READY_S = 60.0
Toml = dict[str, Any]
Edit = Callable[[Toml, Toml], None]  # of the station, of the recipe


def as_it_is(_station: Toml, _recipe: Toml) -> None:
    """The demo's settings."""


@dataclass(frozen=True, slots=True)
class Line:
    """How parts come and what the station is."""

    parts: int | None
    takt_s: float
    jitter: float = JITTER
    deadline_ms: int = 80
    faults: tuple[str, ...] = ()
    edit: Edit = as_it_is
    prefix: tuple[str, ...] = ()  # before the station's command


@dataclass
class Rig:
    """One run. Processes of the station are asked by name; pids change when they are restarted."""

    folder: StateFolder
    shown: demo_station.Shown
    package: Path
    stage: Path  # in memory: the machine's picture must not wait for the station's disk
    machine_uri: str = ""
    url: str = ""
    line: demo.Running | None = None
    ready_s: float = 0.0  # from the station's start to READY at the machine
    began: float = 0.0
    account: Path = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.folder.root / "machine.jsonl"

    def pids(self) -> dict[str, int]:
        """Who runs now; the machine too."""
        found = json.loads(self.folder.endpoints.read_text())
        machine = json.loads((self.folder.run / "machine.json").read_text())
        return {name: its["pid"] for name, its in found.items() if "pid" in its} | {"machine": machine["pid"]}

    def left(self) -> int:
        """How many parts have left the belt."""
        return sum(1 for _ in self.account.open("rb")) if self.account.exists() else 0

    def pictures(self, count: int) -> list[Path]:
        """Some of those that come."""
        assert self.shown.plan is not None
        lines = self.shown.plan.read_text().splitlines()[1 : count + 1]
        return [Path(line.split(",")[0]) for line in lines]

    def finished(self, *, within_s: float) -> None:
        """Wait for the last part to leave."""
        assert self.line is not None
        self.line.popen.wait(within_s)
        time.sleep(0.5)  # the last group of rows

    def metrics(self) -> list[tuple[str, float]]:
        """What `/metrics` says of commits, rows held and pictures not kept, while the station runs."""
        wanted = (
            "jidoka_commit_quantile",
            "jidoka_records_held",
            "jidoka_pictures_not_kept_total",
            "jidoka_deadline_m",
        )
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return [(name, float(value)) for name, value in (one.rsplit(" ", 1) for one in lines if one.startswith(wanted))]

    def accounts(self) -> tuple[list[Toml], list[Toml], Toml]:
        """The machine's rows, the ledger's, and how they agree; the station has been stopped."""
        return read_account(self.account), part_rows(self.folder.ledger), reconcile(self.folder.ledger, self.account)


def teach(root: Path, *, side: int | None = None, seed: int = 1) -> Rig:
    """A fresh state folder with a package; `side`: pictures are scaled to so many pixels first."""
    folder = StateFolder(root / "state")
    demo.fresh(folder)
    shown = demo_station.cells(folder, seed)
    assert shown.plan is not None
    if side is not None:
        scaled(shown.taught, side)
        scaled(shown.plan, side)
    package = folder.packages / "solar-cell.jdk"
    demo_station.call([*CLI, "teach", "--data", str(shown.taught), "--out", str(package), "--state", str(folder.root)])
    memory = tempfile.mkdtemp(prefix="jidoka-stage-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(shutil.rmtree, memory, ignore_errors=True)
    return Rig(folder, shown, package, Path(memory) / "stage")


def scaled(table: Path, side: int) -> None:
    """This dataset.csv now with pictures of side × side."""
    import cv2

    out = table.parent / f"{table.stem}-{side}"
    out.mkdir()
    head, *lines = table.read_text().splitlines()
    for k, line in enumerate(lines):
        path, _, rest = line.partition(",")
        small, whole = out / f"{k:05}.png", cv2.imread(path, cv2.IMREAD_UNCHANGED)
        assert whole is not None
        cv2.imwrite(str(small), cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA))
        lines[k] = f"{small},{rest}"
    table.write_text("\n".join([head, *lines]) + "\n")


def again(rig: Rig) -> Rig:
    """The same package and parts with an empty ledger and account, for the next run of a table."""
    for path in (*rig.folder.root.glob("ledger.sqlite*"), *rig.folder.root.glob("machine.jsonl*")):
        path.unlink()
    for path in rig.folder.run.glob("*.json"):
        path.unlink()
    for path in rig.folder.root.glob("recipes/*/recipe.toml"):
        path.unlink()
        path.parent.rmdir()
    return Rig(rig.folder, rig.shown, rig.package, rig.stage)


@contextlib.contextmanager
def running(rig: Rig, line: Line) -> Iterator[Rig]:
    """Machine and station; both end with the block. The block begins when the machine sees READY."""
    root, endpoints = rig.folder.root, rig.folder.run / "machine.json"
    machine = [
        *CLI, "plc", "simulate", "modbus://127.0.0.1:0", "--plan", str(rig.shown.plan), "--stage", str(rig.stage),
        "--account", str(rig.account), "--endpoints", str(endpoints), "--takt-s", str(line.takt_s),
        "--jitter", str(line.jitter), "--deadline-ms", str(line.deadline_ms), "--wait-ready-s", str(READY_S), "--json",
        *([] if line.parts is None else ["--parts", str(line.parts)]),
        *(word for fault in line.faults for word in ("--fault", fault)),
    ]  # fmt: skip
    with demo.Running(machine, rig.folder.logs / "machine.out") as rig.line:
        rig.machine_uri = demo.wait_for(endpoints, rig.line)["uri"]
        path = demo_station.write_station(rig.folder, rig.shown, rig.machine_uri, 0, line.takt_s * (1 - line.jitter))
        edit_toml(path, root / "recipes" / "solar-cell" / "recipe.toml", rig.stage, line)
        environment = {**os.environ, "PYLON_CAMEMU": "1"}
        rig.began = time.monotonic()
        command = [*line.prefix, *CLI, "run", str(path), "--state", str(root)]
        plc = PlcView(rig.machine_uri)
        with demo.Running(command, None, environment):
            while not plc.ready():
                if time.monotonic() - rig.began > READY_S:
                    raise SystemExit(f"not READY within {READY_S:.0f} s: see {rig.folder.logs}")
                time.sleep(0.005)
            rig.ready_s = time.monotonic() - rig.began
            plc.close()
            rig.url = json.loads(rig.folder.endpoints.read_text())["web"]["url"]
            yield rig


def edit_toml(station: Path, recipe: Path, stage: Path, line: Line) -> None:
    """The demo's files as this line wants them."""
    both = [tomlkit.loads(path.read_text()).unwrap() for path in (station, recipe)]
    both[0]["cameras"][0]["settings"]["image_folder"] = str(stage)
    both[1]["line"]["deadline_ms"] = line.deadline_ms
    line.edit(both[0], both[1])
    for path, content in zip((station, recipe), both, strict=True):
        path.write_text(tomlkit.dumps(content))


class PlcView:
    """Vision's header as the machine holds it: a second Modbus client that only reads."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self.sock = socket.create_connection((parts.hostname, parts.port), timeout=5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def words(self) -> tuple[int, ...]:
        """The first ten registers."""
        self.sock.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, signals.VISION_BASE, 10))
        data = b""
        while len(data) < 29:
            data += self.sock.recv(29 - len(data)) or b"\0" * 29
        return struct.unpack(">10H", data[9:29])

    def read(self) -> tuple[int, int]:
        """STATUS and the gate's epoch."""
        words = self.words()
        epoch = signals.VISION_HEADER["VIS_EPOCH"].offset
        return words[signals.VISION_HEADER["STATUS"].offset], words[epoch] << 16 | words[epoch + 1]

    def fault_code(self) -> int:
        """FAULT_CODE."""
        return self.words()[signals.VISION_HEADER["FAULT_CODE"].offset]

    def bit(self, name: str) -> bool:
        """One bit of STATUS."""
        return bool(self.read()[0] >> signals.STATUS[name] & 1)

    def ready(self) -> bool:
        """Vision says READY."""
        return self.bit("ready")

    def close(self) -> None:
        """Done."""
        self.sock.close()


def get(url: str, path: str) -> tuple[int, Any]:
    """One question to the page; 0 when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def memory_mb(pid: int) -> float:
    """Resident memory of a process; 0 when it is gone."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1e3
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def percentiles(values: list[float], form: str = ".2f") -> str:
    """p50 / p99 / p99.9 / max."""
    if not values:
        return "none"
    return " / ".join(format(v, form) for v in [*np.percentile(values, [50, 99, 99.9]), max(values)])


def load() -> str:
    """What else this machine does."""
    return f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"


def seconds(text: str) -> float:
    """UTC text → seconds."""
    return datetime.fromisoformat(text).timestamp()


def utc_s() -> float:
    """Now, on the clock of the machine's account."""
    return seconds(utc_now())
