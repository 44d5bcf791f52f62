"""`jidoka plc simulate`: the machine as a process of its own, with a Modbus server and a scan cycle."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from plc_io.simulate.account import Account, read_plan
from plc_io.simulate.belt import COUNTS_PER_S, Belt
from plc_io.simulate.faults import parse
from plc_io.simulate.further import parse as parse_further
from plc_io.simulate.registers import MEMORY, NAMES, Registers
from plc_io.simulate.stage import Stage
from plc_io.simulate.wire import Wire
from vocabulary import DeviceTimeout, SettingsError

PRIORITY, CORE = 70, 0  # above the station's gate: a machine does not wait for the computer beside it
LINGER_S = 0.3  # vision reads the last confirmations


def simulate(
    uri: str, *, plan: Path | None, parts: int | None, takt_s: float, jitter: float, stage: Path | None,
    wire: Path | None, account: Path,
    travel_s: float, deadline_ms: int, scan_ms: float, wait_ready_s: float | None, faults: list[str], seed: int,
    endpoints: Path | None, observe_key: bool, reset_after_s: float | None, recheck_lane: bool,
    bypass_key: bool, allow_setup: bool, further: list[str], wire_after_s: float,
) -> dict[str, Any]:  # fmt: skip
    """Run until `parts` have left the belt since the account began, or SIGTERM. Returns the machine's summary.

    Raises SettingsError (uri, plan, fault, port taken), DeviceTimeout (vision never got ready).
    """
    truth = read_plan(plan) if plan else []
    if stage is not None and not truth:
        raise SettingsError("--stage", "say with --plan which pictures come")
    registers, books, script = Registers(), Account(account), [parse(fault) for fault in faults]
    platform = Stage(stage) if stage is not None else None
    edges = Wire(wire) if wire is not None else None
    belt = Belt(
        registers, books, truth, platform, edges, parts=parts, takt_s=takt_s, jitter=jitter, travel_s=travel_s,
        deadline_s=deadline_ms / 1e3, faults=script, seed=seed, observe_key=observe_key,
    )  # fmt: skip
    belt.reset_after_s, belt.recheck_lane = reset_after_s, recheck_lane
    belt.bypass_key, belt.allow_setup, belt.wire_after_s = bypass_key, allow_setup, wire_after_s
    belt.further = [parse_further(text, COUNTS_PER_S) for text in further]
    if belt.further and stage is None:
        raise SettingsError("--stage-at", "say with --stage what the first camera sees")
    if too_far := [one.behind_s for one in belt.further if one.behind_s + belt.deadline_s >= travel_s]:
        raise SettingsError(f"--stage-at: {too_far[0]:g} s and the deadline", f"the rejecter is {travel_s:g} s away")
    machine = Machine(belt, registers, listen(uri), scan_ms / 1e3, wait_ready_s)
    places = [place for place in (platform, *(one.stage for one in belt.further)) if place is not None]
    if places:
        belt.stage_at = 0.0
        for place in places:
            place.show(truth[books.parts % len(truth)].png)  # the camera finds something before the belt moves
    try:
        asyncio.run(machine.run(endpoints))
    finally:
        books.close()
        for place in places:
            place.close()
        if edges is not None:
            edges.close()
    return summary(machine, books)


def listen(uri: str) -> tuple[str, int]:
    """Host and free port of a modbus:// URI. Raises SettingsError when it is taken."""
    try:
        parts = urlsplit(uri)
        port = 502 if parts.port is None else parts.port
    except ValueError as err:
        raise SettingsError(f"{uri!r}: {err}", "modbus://host:port, port 0 for any") from err
    if parts.scheme != "modbus" or not parts.hostname:
        raise SettingsError(f"{uri!r}: the simulated machine speaks modbus", "modbus://host:port, port 0 for any")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((parts.hostname, port))
        except OSError as err:
            raise SettingsError(f"{uri}: {err.strerror}", "choose another port, or 0 for any free one") from err
        host, port = probe.getsockname()[:2]
        return str(host), int(port)


class Machine:
    """Server and scan cycle on one event loop, as a PLC's communication and program share its processor."""

    def __init__(
        self, belt: Belt, registers: Registers, address: tuple[str, int], scan_s: float, wait_ready_s: float | None
    ) -> None:
        self.belt, self.registers, self.address = belt, registers, address
        self.scan_s, self.wait_ready_s = scan_s, wait_ready_s
        self.lateness_ms: list[float] = []  # a sample of the scans, see _note
        self.scans = 0
        self.policy = "SCHED_OTHER"
        self._chance = random.Random(0)  # noqa: S311  which scans are sampled

    async def run(self, endpoints: Path | None) -> None:
        """Serve and scan until done."""
        device = SimDevice(1, simdata=[SimData(0, count=MEMORY, datatype=DataType.REGISTERS)], action=self._access)
        server = ModbusTcpServer(device, address=self.address)
        await server.listen()
        self._raise_priority()
        if endpoints is not None:
            content = {"uri": f"modbus://{self.address[0]}:{self.address[1]}", "pid": os.getpid()}
            temporary = endpoints.with_suffix(".tmp")
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(endpoints)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop_feeding)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop_feeding)
        try:
            await self._scan_until_done()
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]

    async def _scan_until_done(self) -> None:
        began = last = due = time.monotonic()
        while not self.belt.done:
            due = max(due + self.scan_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            if self.belt.stall_s:
                time.sleep(self.belt.stall_s)
                self.belt.stall_s = 0.0
            now = time.monotonic()
            self._note((now - due) * 1e3)
            self.belt.scan(now, now - last)
            last = now
            if not self.belt.running and (self.wait_ready_s is None or self.belt.vision_ready):
                self.belt.running = True
            elif not self.belt.running and self.wait_ready_s is not None and now - began > self.wait_ready_s:
                raise DeviceTimeout("machine", f"vision was not READY within {self.wait_ready_s:.0f} s", "see the page")
        await asyncio.sleep(LINGER_S)

    def _note(self, late_ms: float) -> None:
        """Keep at most 100,000 lateness samples, each scan with the same chance (reservoir sampling)."""
        self.scans += 1
        if len(self.lateness_ms) < 100_000:
            self.lateness_ms.append(late_ms)
        elif (place := self._chance.randrange(self.scans)) < len(self.lateness_ms):
            self.lateness_ms[place] = late_ms

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        current: list[int],
        values: list[int] | list[bool] | None,
    ) -> None:
        """A Modbus request meets the PLC's memory; a silent PLC answers nobody."""
        while time.monotonic() < self.belt.silent_until:
            await asyncio.sleep(0.05)
        if values:
            self.registers.words[address : address + count] = [int(word) for word in values]
        else:
            current[address - start : address - start + count] = self.registers.words[address : address + count]

    def _stop_feeding(self) -> None:
        """No more parts; those on the belt still leave."""
        self.belt.feeding = False
        if not self.belt.running:
            self.belt.flying.clear()
            self.belt.unpublished.clear()

    def _raise_priority(self) -> None:
        try:
            os.sched_setaffinity(0, {CORE})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
            for thread in [int(task.name) for task in Path("/proc/self/task").iterdir()]:  # the stage had one before
                if thread != os.getpid():
                    os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(PRIORITY - 5))
        except (OSError, ValueError):
            return
        self.policy = f"SCHED_FIFO {PRIORITY} on core {CORE}"


def summary(machine: Machine, books: Account) -> dict[str, Any]:
    """The machine's own counts."""
    pieces = books.pieces
    verdicts = {name: sum(piece.verdict == name for piece in pieces) for name in NAMES.values()}
    routes = {
        route: sum(piece.routed == route for piece in pieces) for route in ("passed", "rejected", "recheck", "hold")
    }
    return {
        "parts": len(pieces),
        "triggers": books.parts,
        "verdicts": {**verdicts, "none": sum(piece.verdict is None for piece in pieces)},
        "routed": routes,
        **machine.belt.counts,
        "timeouts": machine.belt.timeouts,
        "unconfirmed": sum(not piece.confirmed for piece in pieces),
        "plc_epochs": len({piece.plc_epoch for piece in pieces}),
        "consumed_ms": quantiles([piece.consumed_ms for piece in pieces if piece.consumed_ms is not None]),
        "lateness_ms": quantiles(machine.lateness_ms),
        "policy": machine.policy,
    }


def quantiles(values: list[float]) -> dict[str, float] | None:
    """p50, p99, p99.9, max; None without values."""
    if not values:
        return None
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return {"p50": round(p50, 3), "p99": round(p99, 3), "p999": round(p999, 3), "max": round(max(values), 3)}
