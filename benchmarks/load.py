"""What runs beside a measured line, each a process of its own: `python -m benchmarks.load api|disk|cpu …`."""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.parse import urlsplit

PERIOD_S = 0.25  # of an API client: four rounds of two questions a second
BLOCK = os.urandom(1 << 20)
FILES = 64  # of the disk load; then it begins anew, so that the disk does not fill


def api(url: str, clients: int) -> None:
    """So many clients; says on stdout how long answers took and how many failed."""
    laps: list[float] = []
    failed: list[str] = []
    address = urlsplit(url)

    def ask() -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        while True:
            for path in ("/api/parts?limit=50", "/api/state"):
                began = time.perf_counter()
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        failed.append(f"{path}: {answer.status}")
                except (OSError, http.client.HTTPException) as err:
                    failed.append(f"{path}: {err!r}")
                    connection.close()
                laps.append((time.perf_counter() - began) * 1e3)
            time.sleep(PERIOD_S)

    for _ in range(clients):
        threading.Thread(target=ask, daemon=True).start()
    wait_for_the_end()
    print(json.dumps({"laps_ms": laps, "failed": failed[:1000]}), flush=True)


def disk(folder: Path) -> None:
    """Write and fsync a megabyte again and again."""
    laps: list[float] = []

    def write() -> None:
        k = 0
        while True:
            began = time.perf_counter()
            with (folder / f"load-{k % FILES}").open("wb") as file:
                file.write(BLOCK)
                file.flush()
                os.fsync(file.fileno())
            laps.append((time.perf_counter() - began) * 1e3)
            k += 1
            time.sleep(0.005)

    threading.Thread(target=write, daemon=True).start()
    wait_for_the_end()
    print(json.dumps({"laps_ms": laps}), flush=True)


def cpu() -> None:
    """A busy process at normal priority."""
    while True:
        sum(range(100_000))


def wait_for_the_end() -> None:
    """Until SIGTERM."""
    done = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, end)
    done.wait()


class Beside:
    """Loads that run with the block; `said` holds what each reported at its end."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Any]] = {}


@contextmanager
def beside(*, url: str = "", clients: int = 0, folder: Path | None = None, busy: int = 0) -> Iterator[Beside]:
    """API clients, a process that fsyncs in `folder`, busy processes."""
    wanted: list[tuple[str, list[str]]] = [("cpu", [])] * busy
    wanted += [("api", [url, str(clients)])] if clients else []
    wanted += [("disk", [str(folder)])] if folder else []
    its, running = Beside(), list[tuple[str, subprocess.Popen[str]]]()
    with ExitStack() as stack:
        for name, words in wanted:
            out: int | IO[str] = subprocess.DEVNULL if name == "cpu" else subprocess.PIPE
            command = [sys.executable, "-m", "benchmarks.load", name, *words]
            running.append((name, stack.enter_context(subprocess.Popen(command, stdout=out, text=True))))
        try:
            yield its
        finally:
            for name, popen in running:
                popen.terminate()
                if name != "cpu":
                    its.said[name] = json.loads(popen.communicate(timeout=20)[0] or "{}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    kinds = options.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("api")
    one.add_argument("url")
    one.add_argument("clients", type=int)
    kinds.add_parser("disk").add_argument("folder", type=Path)
    kinds.add_parser("cpu")
    asked = options.parse_args()
    match asked.kind:
        case "api":
            api(asked.url, asked.clients)
        case "disk":
            asked.folder.mkdir(parents=True, exist_ok=True)
            disk(asked.folder)
        case _:
            cpu()


if __name__ == "__main__":
    main()
