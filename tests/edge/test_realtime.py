"""What a process of the station asks of the kernel, in processes of their own: a priority can't be given back."""

import json
import subprocess
import sys

import pytest

ASK = """
import contextlib, json, os, resource, sys
from edge.realtime import hurry, raise_priority
helpers, user = sys.argv[1] == "engine", int(sys.argv[2])
with contextlib.suppress(ValueError, PermissionError):
    resource.setrlimit(resource.RLIMIT_RTPRIO, (99, 99))
    if user:
        os.setuid(user)
hurry(helpers_stay_normal=helpers)
loading = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
missing = raise_priority(60, 0, helpers_stay_normal=helpers)
running = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
print(json.dumps([loading, running, any("SCHED_FIFO" in one for one in missing)]))
"""
OTHER, FIFO, RESET_ON_FORK = 0, 1, 0x40000000


@pytest.mark.parametrize("process", ["gate", "engine"])
@pytest.mark.parametrize("user", [0, 65534], ids=["as it is", "with LimitRTPRIO alone"])
def test_loading_in_haste_does_not_keep_a_process_from_its_priority(process: str, user: int) -> None:
    """Whoever may not have SCHED_FIFO loads at normal priority and is told so.

    Where no limit can be raised, as in most containers, the second user is the first.
    """
    done = subprocess.run([sys.executable, "-c", ASK, process, str(user)], capture_output=True, text=True, check=True)
    loading, running, refused = json.loads(done.stdout)
    flag = RESET_ON_FORK if process == "engine" else 0
    normal = [OTHER, 0]
    assert loading == (normal if refused else [FIFO | flag, 1])
    assert running == (normal if refused else [FIFO | flag, 60])
