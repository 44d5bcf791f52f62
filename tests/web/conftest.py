"""The real web process, between a gate and a recorder that only this test plays."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import tomlkit

from edge.channel import Channel, ChannelClosed, Listener
from edge.messages import GateState, Live, Why
from edge.recorder.ledger import Ledger
from edge.settings import StateFolder
from vocabulary import Image, picture_hash

Body = dict[str, Any]


def wait_until(condition: Callable[[], Any], what: str, at_most_s: float = 30.0) -> Any:
    until = time.monotonic() + at_most_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {at_most_s} s in vain for {what}")


def cell(number: int) -> Image:
    """Something like a solar cell with a crack."""
    chance = np.random.default_rng(number)
    image = np.full((300, 300), 150.0) + chance.normal(0, 4, (300, 300))
    image[:, ::20] -= 60
    points = np.array([[170, 40], [190, 100], [180, 150], [215, 190], [205, 260]], np.int32)
    cv2.polylines(image, [points], False, 25.0, 3, cv2.LINE_AA)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (3, 3), 0), 0, 255), np.uint8)


def score_map() -> np.ndarray[Any, np.dtype[np.float32]]:
    y, x = np.mgrid[0:28, 0:28].astype(np.float32)
    heat: np.ndarray[Any, np.dtype[np.float32]] = 1.2 * np.exp(-(((x - 17.5) / 2.5) ** 2) - ((y - 13) / 8) ** 2)
    return heat.astype(np.float32)


def part_body(number: int, verdict: str, sha256: str | None, **other: Any) -> Body:
    """A `part` row as the gate sends it."""
    reasons = {
        "OK": [],
        "NG": [{"code": "score_above_limit", "text": "score 0.93 is above the limit 0.62"}],
        "RECHECK": [{"code": "score_in_grey_band", "text": "score 0.55 lies between 0.48 and 0.62"}],
        "NOT_INSPECTED": [{"code": "camera_no_frame", "text": "top: no frame within 500 ms"}],
    }[verdict]
    score = {"OK": 0.11, "NG": 0.93, "RECHECK": 0.55}.get(verdict)
    tool: Body = {
        "tool": "surface", "camera": "top", "package": "p", "verdict": verdict, "score": score, "limit": 0.62,
        "recheck": 0.48, "findings": [[160, 35, 65, 230, 0.93]] if verdict == "NG" else [], "health": {},
    }  # fmt: skip
    picture = {
        "camera": "top", "sha256": sha256, "width": 300, "height": 300, "channels": 1, "clock": "host",
        "device_frame_id": number, "exposure_us": 1000.0, "gain_db": 0.0, "lost_before": 0,
        "exposed_us": 900, "arrived_us": 5200,
    }  # fmt: skip
    seconds, milliseconds = divmod(number * 500, 1000)
    utc = f"2026-03-02T10:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}Z"
    plc = {"epoch": 1, "number": number, "seq": number, "part_id": number, "encoder": 0, "recipe": 1, "parts": number}
    laps = {"asked": 300, "received": 420, "exposed": 900, "arrived": 5200, "inferred": 31_000, "decided": 31_100}
    return {
        "part": number, "station": "EL-3", "utc": utc,
        "mode": "AUTO", "verdict": verdict, "judged": verdict, "disposition": "pass" if verdict == "OK" else "reject",
        "reasons": reasons, "score": score, "tools": [tool] if score is not None else [],
        "pictures": [picture] if sha256 else [], "recipe": {"name": "cell", "number": 1, "checksum": 7},
        "plc": plc, "context": {}, "trigger_age_us": 1500, "deadline_us": 190_000,
        "laps_us": {**laps, "answered": 31_400},
        **other,
    }  # fmt: skip


class Station:
    """Gate, recorder and the files they leave, as the web process sees them."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder / "state")
        self.state.make()
        self.ledger = Ledger(self.state.ledger)
        self.speaking = True
        self.gate: Body = {"mode": "AUTO", "ready": True, "unmet": [], "banner": [], "last": {}}
        self.counts = {"OK": 0, "NG": 0, "RECHECK": 0, "NOT_INSPECTED": 0}
        self.listeners = {role: Listener(self.state.socket(role)) for role in ("gate", "recorder")}
        self.pages: dict[str, list[Channel]] = {"gate": [], "recorder": []}
        self.sequence = 0
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def show(self, number: int, verdict: str, *, picture: bool = True, **other: Any) -> str | None:
        """One part goes through: picture, row, news. Returns the picture's hash."""
        image = cell(number)
        sha256 = picture_hash(image) if picture else None
        if sha256:
            cv2.imwrite(str(self.state.live / f"{sha256}.png"), image)
        body = part_body(number, verdict, sha256, **other)
        with self._lock:
            self.ledger.append([("part", number, 1, number, {k: v for k, v in body.items() if k != "part"})])
            self.counts[verdict] += 1
            self.sequence += 1
            heat = score_map() if sha256 else None
            live = Live(
                self.sequence, time.monotonic_ns(), body, sha256, (28, 28) if sha256 else None,
                heat.tobytes() if heat is not None else b"", dict(self.counts), 0, 2_000 * number,
            )  # fmt: skip
            self._tell("recorder", live)
        self.gate["last"] = {"part": number, "written_us": 31_600, "consumed_us": 35_600}
        return sha256

    def end(self) -> None:
        self._end.set()
        self._thread.join()
        for channel in [*self.pages["gate"], *self.pages["recorder"]]:
            channel.close()
        for listener in self.listeners.values():
            listener.sock.close()
        self.ledger.close()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            with self._lock:
                for role, listener in self.listeners.items():
                    if (page := listener.accept()) is not None:
                        self.pages[role].append(page)
                if self.speaking:
                    self._tell("gate", self._state())

    def _state(self) -> GateState:
        self.sequence += 1
        its = self.gate
        return GateState(
            1, self.sequence, time.monotonic_ns(), its["mode"], "AUTO", its["ready"], its["unmet"], its["banner"],
            "cell", 1,
            {"uri": "modbus://x", "linked": True, "last": its["last"]},
            {**self.counts, "missed": its.get("missed", 0), "held": 2, "held_most": 7}, 0.5, 190.0,
            its.get("alarms", []), its.get("forced", {}), None, {1: "cell"},
        )  # fmt: skip

    def _tell(self, role: str, message: GateState | Live) -> None:
        for page in list(self.pages[role]):
            try:
                page.send(message)
            except ChannelClosed:
                self.pages[role].remove(page)
                page.close()


class Web:
    """The process `web` and how to reach it."""

    def __init__(self, station: Station, folder: Path, **web: Any) -> None:
        self.station = station
        settings = {
            "name": "EL-3", "recipe": "cell", "plc": {"uri": "modbus://127.0.0.1:1"}, "web": {"port": 0, **web},
            "cameras": [{"name": "top", "uri": "sim:"}],
        }  # fmt: skip
        (folder / "station.toml").write_text(tomlkit.dumps(settings))
        station.state.use(folder / "station.toml")
        command = [sys.executable, "-m", "cli", "process", "web", "--state", str(station.state.root)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self) -> "Web":
        wait_until(self.station.state.endpoints.exists, "the page's address")
        self.url: str = json.loads(self.station.state.endpoints.read_text())["web"]["url"]
        wait_until(self._lives, "the page to answer")
        wait_until(lambda: all(self.station.pages.values()), "the page to hear gate and recorder")
        return self

    def _lives(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez").status_code == 200
        except httpx.TransportError:
            return False

    def end(self) -> None:
        self.popen.terminate()
        self.popen.communicate(timeout=20)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    one = Station(tmp_path)
    yield one
    one.end()


@pytest.fixture
def web(station: Station, tmp_path: Path) -> Iterator[Web]:
    one = Web(station, tmp_path)
    try:
        yield one.wait()
    finally:
        one.end()


def why(code: str, text: str) -> Why:
    return Why(code, text)
