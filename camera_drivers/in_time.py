"""Steps that a dead device holds up for seconds, each in a thread of its own that the caller leaves in time."""

import threading
from collections.abc import Callable
from contextlib import suppress


def in_time(step: Callable[[], None], seconds: float, error: type[Exception]) -> threading.Thread:
    """Run one step, wait at most `seconds`. The device's own `error` is dropped: a missing result tells."""

    def run() -> None:
        with suppress(error):
            step()

    thread = threading.Thread(target=run, name="device", daemon=True)
    thread.start()
    thread.join(seconds)
    return thread
