"""Cold start to READY; and after `kill -9` of each process: READY again, the next verdict, parts lost."""

import argparse
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import rig
from benchmarks.rig import Line, PlcView, Rig, Toml, get, load, seconds, utc_s

AIMS_S = {"gate": 1.0, "engine": 2.0, "recorder": 2.0, "web": 2.0}
LOOK_S = 0.004
GIVE_UP_S = 30.0
STEADY_S = 60.0  # the supervisor's: a process that lived so long is restarted at once, a younger one after a pause


@dataclass(slots=True)
class Kill:
    """One kill and what came of it."""

    process: str
    at: float  # UTC, the account's clock
    ready_s: float | None
    verdict_s: float = float("nan")  # until the machine took the first verdict other than NOT_INSPECTED of a later part
    lost: int = 0  # parts NOT_INSPECTED, or without a verdict, until the next kill


def kill(its: Rig, plc: PlcView, process: str) -> Kill:
    """Kill one process now and wait for READY; for the web until its page answers."""
    pid, (_, epoch) = its.pids()[process], plc.read()
    at, began, went = utc_s(), time.monotonic(), False
    os.kill(pid, signal.SIGKILL)
    while (elapsed := time.monotonic() - began) < GIVE_UP_S:
        if process == "web":
            back = its.pids().get("web", pid) != pid and get(its.url, "/readyz")[0] == 200
        elif process == "gate":  # the machine still holds what the dead one wrote: the new one has a new epoch
            back = plc.ready() and plc.read()[1] != epoch
        else:
            ready = plc.ready()
            went = went or not ready
            back = went and ready
        if back:
            return Kill(process, at, time.monotonic() - began)
        if process == "recorder" and not went and elapsed > GIVE_UP_S / 2:
            break
        time.sleep(LOOK_S)
    return Kill(process, at, None)


def judged(kills: list[Kill], account: list[Toml], takt_s: float) -> None:
    """What the machine's account says of the parts after each kill."""
    rows = sorted((seconds(row["triggered_utc"]), row["consumed_ms"], row["verdict"]) for row in account)
    for one, until in zip(kills, [*(later.at for later in kills[1:]), float("inf")], strict=True):
        took = [at + ms / 1e3 - one.at for at, ms, its in rows if one.at < at and ms and its != "NOT_INSPECTED"]
        one.verdict_s = min(took, default=float("nan"))
        mine = [its for at, _, its in rows if one.at - takt_s < at < until - takt_s]
        one.lost = sum(its in (None, "NOT_INSPECTED") for its in mine)


def figures(values: list[float]) -> str:
    """p50 / max."""
    return f"{np.median(values):.2f} / {max(values):.2f}" if values else "never"


def main(words: list[str] | None = None) -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=10, help="cold starts, and kills of each process")
    options.add_argument("--takt-s", type=float, default=0.2)
    options.add_argument("--every-s", type=float, default=16.0, help="between kills; four of them should exceed 60 s")
    asked = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="jidoka-bench-") as root:
        its = rig.teach(Path(root))
        starts = []
        for _ in range(asked.times):
            its = rig.again(its)
            with rig.running(its, Line(1, asked.takt_s)):
                starts.append(its.ready_s)
        print(f"cold start to READY (files in the page cache), {asked.times} times, s p50 / max: {figures(starts)} "
              f"(aim 5); {load()}")  # fmt: skip
        its, kills = rig.again(its), list[Kill]()
        with rig.running(its, Line(None, asked.takt_s, deadline_ms=150)):
            plc = PlcView(its.machine_uri)
            time.sleep(5)
            for _ in range(asked.times):
                for process in AIMS_S:
                    began = time.monotonic()
                    kills.append(kill(its, plc, process))
                    time.sleep(max(1.0, began + asked.every_s - time.monotonic()))
            plc.close()
            assert its.line is not None
            its.line.popen.terminate()  # the belt runs empty
            its.finished(within_s=30)
        account, _, result = its.accounts()
    judged(kills, account, asked.takt_s)
    print(f"{len(account)} parts, takt {asked.takt_s} s, a kill every {asked.every_s:g} s; {load()}")
    if len(AIMS_S) * asked.every_s < STEADY_S and asked.times > 1:
        print(f"kills of one process lie less than {STEADY_S:.0f} s apart: the supervisor's pauses are in the figures")
    for process, aim_s in AIMS_S.items():
        its_kills = [one for one in kills if one.process == process]
        ready = [one.ready_s for one in its_kills if one.ready_s is not None]
        print(f"{process:9} killed {len(its_kills)} times: READY again, s p50 / max {figures(ready)} (aim {aim_s:g}); "
              f"first verdict {figures([one.verdict_s for one in its_kills])}; "
              f"NOT_INSPECTED per kill {figures([float(one.lost) for one in its_kills])}; "
              f"READY never seen again: {len(its_kills) - len(ready)}")  # fmt: skip
    print(f"not inspected: {result['not_inspected']}; reconciled: {result['reconciled']}")
    for problem in result["problems"][:20]:
        print(f"PROBLEM: {problem}")


if __name__ == "__main__":
    main()
