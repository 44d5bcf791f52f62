"""Asks the kernel for what a deadline needs; says what was refused, so that the station runs and shows it."""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

MCL_CURRENT, MCL_FUTURE = 1, 2  # sys/mman.h
FIRST_TO_GO = {"web": 1000, "recorder": 500}  # thousandths of the memory there is on top of what they use, see proc(5)


def give_way(process: str) -> None:
    """When memory runs out the kernel ends the pages first, and on any but a tiny machine the recorder next.

    Parts are judged without both (the gate holds the rows); without the engine, the largest, they are NOT_INSPECTED.
    """
    path = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # a container that shows no /proc
        path.write_text(str(min(1000, int(path.read_text()) + FIRST_TO_GO.get(process, 0))), encoding="ascii")


def hurry(*, helpers_stay_normal: bool) -> None:
    """Above all normal work while gate or engine loads, below everything that runs already.

    Parts that come meanwhile are NOT_INSPECTED; beside four busy processes the engine took 2.7 and 4.1 s to be back at
    normal priority, 2.0 s so (`benchmarks.restarts`). Without the right nothing changes; `raise_priority` says so.
    helpers_stay_normal: as there, and the same: only CAP_SYS_NICE may take SCHED_RESET_ON_FORK back (sched(7)).
    """
    policy = os.SCHED_FIFO | (os.SCHED_RESET_ON_FORK if helpers_stay_normal else 0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, policy, os.sched_param(1))


def raise_priority(priority: int, core: int, *, helpers_stay_normal: bool) -> list[str]:
    """SCHED_FIFO on one core with memory locked and the garbage collector frozen; returns the rights that are missing.

    helpers_stay_normal: threads made later (a camera SDK's) do not inherit the priority (facts/ipc: SCHED_RESET_ON_FORK
    is the only way that survives a restart of grabbing).
    """
    missing = []
    try:
        os.sched_setaffinity(0, {core})
    except (OSError, ValueError):
        missing.append(f"core {core}")
    policy = os.SCHED_FIFO | (os.SCHED_RESET_ON_FORK if helpers_stay_normal else 0)
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except PermissionError:
        missing.append("SCHED_FIFO (CAP_SYS_NICE or LimitRTPRIO)")
    if ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT) != 0:
        missing.append("mlockall (CAP_IPC_LOCK or LimitMEMLOCK)")
    gc.collect()
    gc.freeze()
    gc.disable()
    return missing


def policy(priority: int, core: int, missing: list[str]) -> str:
    """What `raise_priority` came to, in words that a certificate can compare."""
    return f"without {', '.join(missing)}" if missing else f"SCHED_FIFO {priority} on core {core}"


def lift_helpers(priority: int) -> None:
    """Put every other thread of this process at SCHED_FIFO `priority`, below its main thread.

    A camera SDK delivers frames in threads of its own; at normal priority a busy page delays a frame by 40 ms (measured
    on the emulation). They must not inherit the main thread's priority either, so they get their own, after each
    start of a camera. Where the right is missing nothing changes, as `raise_priority` has said already.
    """
    for task in [path.name for path in Path("/proc/self/task").iterdir()]:
        if int(task) != os.getpid():
            try:
                os.sched_setscheduler(int(task), os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
            except (PermissionError, ProcessLookupError):
                continue
