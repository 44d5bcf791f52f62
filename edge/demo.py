"""`jidoka demo`: writes a station, then only uses commands that every station has.

jidoka teach → jidoka plc simulate → jidoka run → jidoka ledger reconcile.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from edge.demo_station import call, cells, whatever_is_there, write_station
from edge.recorder.verify import read_account, reconcile
from edge.settings import StateFolder
from edge.supervisor import die_with_parent, take_lock
from quality.intervals import upper_bound
from vocabulary import SettingsError, Verdict

READY_S = 60.0  # a cold start takes a few seconds; a busy machine gets more
MACHINE_LIVES = 10  # a machine that was killed is switched on again so often
AT_LEAST = 0.7  # balanced accuracy: always-OK and always-NG reach 0.5
ENOUGH = 10  # inspected parts of each kind from which on balanced accuracy is judged

Command = list[str]


def demo(
    *,
    parts: int | None,
    port: int,
    takt_s: float,
    state: Path,
    seed: int,
    faults: list[str],
    cli: Command,
    camera: str | None = None,
) -> dict[str, Any]:
    """Run until the parts are through (or Ctrl-C) and hold all accounts against one another. Raises SettingsError."""
    folder = StateFolder(state)
    began = time.monotonic()
    fresh(folder)
    shown = cells(folder, seed) if camera is None else whatever_is_there(folder, camera, takt_s, cli)
    name = shown.name
    package = folder.packages / f"{name}.jdk"
    teach = ["teach", "--data", str(shown.taught), "--out", str(package), "--name", name, "--state", str(folder.root)]
    call([*cli, *teach])
    account, endpoints = folder.root / "machine.jsonl", folder.run / "machine.json"
    stage = ["--plan", str(shown.plan), "--stage", str(folder.root / "stage")] if shown.plan else []
    machine = [
        *cli, "plc", "simulate", "modbus://127.0.0.1:0", *stage,
        "--account", str(account), "--endpoints", str(endpoints), "--takt-s", str(takt_s), "--seed", str(seed),
        "--deadline-ms", str(shown.deadline_ms), "--wait-ready-s", str(READY_S), "--json",
        *([] if parts is None else ["--parts", str(parts)]), *(word for fault in faults for word in ("--fault", fault)),
    ]  # fmt: skip
    with Running(machine, folder.logs / "machine.out") as line:
        uri = wait_for(endpoints, line)["uri"]
        machine[machine.index("modbus://127.0.0.1:0")] = uri
        station = write_station(folder, shown, uri, port, takt_s)
        environment = {**os.environ, "PYLON_CAMEMU": "1"}
        with Running([*cli, "run", str(station), "--state", str(folder.root)], None, environment) as process:
            setup_s = time.monotonic() - began
            summary = keep_running(line, process, machine)
            time.sleep(0.5)  # the last group of rows reaches the ledger within 100 ms
    return judge(folder, account, summary, parts, setup_s)


def judge(
    folder: StateFolder, account: Path, machine: dict[str, Any], parts: int | None, setup_s: float
) -> dict[str, Any]:
    """All accounts side by side, and what they say of the quality of the verdicts."""
    result = reconcile(folder.ledger, account)
    inspected = [row for row in read_account(account) if row["verdict"] in (Verdict.OK, Verdict.NG, Verdict.RECHECK)]
    good = [row for row in inspected if row["label"] == "ok"]
    bad = [row for row in inspected if row["label"] == "ng"]
    escapes = sum(row["verdict"] == Verdict.OK for row in bad)
    overkill = sum(row["verdict"] != Verdict.OK for row in good)
    accuracy = (2 - escapes / len(bad) - overkill / len(good)) / 2 if good and bad else None
    problems = list(result["problems"])
    if parts is not None and result["triggers"] != parts:
        problems.append(f"{result['triggers']} of {parts} parts went through")
    if min(len(good), len(bad)) < ENOUGH:
        accuracy = None  # too few of one kind say nothing
    if parts is not None and accuracy is not None and accuracy < AT_LEAST:
        problems.append(f"balanced accuracy {accuracy} is below {AT_LEAST}")
    return {
        **result,
        "passed": not problems,
        "problems": problems,
        "machine": machine,
        "escape": share(escapes, len(bad)),
        "overkill": share(overkill, len(good)),
        "balanced_accuracy": accuracy,
        "latency_ms": machine.get("consumed_ms"),
        "deadline_misses": machine.get("timeouts"),
        "setup_s": round(setup_s, 1),
        "state": str(folder.root),
    }


def share(count: int, n: int) -> dict[str, Any]:
    """A count with its n and the 95 % upper bound of the share."""
    return {"count": count, "n": n, "upper95": upper_bound(count, n) if n else None}


def table(result: dict[str, Any]) -> str:
    """The result in words."""
    bound = {key: result[key]["upper95"] for key in ("escape", "overkill")}
    lines = [
        f"triggers {result['triggers']}  verdicts {result['verdicts']}  ledger rows {result['ledger_rows']}"
        f"  pictures {result['rows_with_picture']}  reconciled {'yes' if result['reconciled'] else 'NO'}",
        *(
            f"{key}: {result[key]['count']} of {result[key]['n']}"
            + (f" (95 % sure: at most {100 * bound[key]:.1f} %)" if bound[key] is not None else "")
            for key in bound
        ),
        f"balanced accuracy: {result['balanced_accuracy']}   not inspected: {result['not_inspected'] or 'none'}",
        f"trigger → verdict consumed, ms: {result['latency_ms']}   deadline misses: {result['deadline_misses']}",
        *(f"PROBLEM: {problem}" for problem in result["problems"]),
    ]
    return "\n".join(lines)


def fresh(folder: StateFolder) -> None:
    """A demo begins with an empty ledger; what an earlier one left in this folder is removed, nothing else ever is."""
    marker = folder.root / "demo.marker"
    if folder.root.exists() and any(folder.root.iterdir()) and not marker.exists():
        raise SettingsError(f"--state {folder.root}: not empty and not from a demo", "choose another folder")
    if folder.root.exists():
        if folder.run.exists():
            take_lock(folder).close()  # refuses while a station runs there
        shutil.rmtree(folder.root)
    folder.make()
    marker.touch()
    (folder.root / "stage").mkdir()


class Running:
    """A command in the background, ended with the block."""

    def __init__(self, command: Command, out: Path | None, environment: dict[str, str] | None = None) -> None:
        self.command, self.out, self.environment = command, out, environment
        self.popen: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start, or start again; stdout goes to a file, stderr to ours."""
        file: IO[bytes] | int = self.out.open("wb") if self.out else subprocess.DEVNULL
        self.popen = subprocess.Popen(  # noqa: S603  our own command
            self.command,
            stdout=file,
            env=self.environment,
            start_new_session=True,  # Ctrl-C comes to the demo, which then lets the belt run empty
            preexec_fn=die_with_parent,
        )
        if not isinstance(file, int):
            file.close()

    def result(self) -> dict[str, Any]:
        """The last line of its stdout."""
        lines = self.out.read_text(encoding="utf-8").splitlines() if self.out else []
        return dict(json.loads(lines[-1])) if lines else {}

    def __enter__(self) -> "Running":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def keep_running(line: Running, station: Running, again: Command) -> dict[str, Any]:
    """Until the machine has its parts through, or Ctrl-C; a machine that was killed is switched on again."""
    lives = 0
    try:
        while True:
            if station.popen.poll() is not None:
                raise SettingsError("demo: the station ended", "its reason stands above; see the logs folder")
            code = line.popen.poll()
            if code is not None and code >= 0:
                break
            if code is not None:
                lives += 1
                if lives > MACHINE_LIVES:
                    break
                print(f"machine was killed ({signal.Signals(-code).name}): switched on again", file=sys.stderr)
                line.command = again
                line.start()
            time.sleep(0.1)
    except KeyboardInterrupt:
        line.popen.send_signal(signal.SIGTERM)
        line.popen.wait(20)
    return line.result()


def wait_for(path: Path, process: Running) -> dict[str, Any]:
    """The machine's endpoints file, once it listens."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.popen.poll() is None:
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        time.sleep(0.05)
    raise SettingsError("demo: the machine did not start", "its reason stands above")
