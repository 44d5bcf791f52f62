"""The process `web`."""

import json
import os
import socket

import structlog
import uvicorn

from edge.listening import bind
from edge.process import Progress, new_epoch, start_log
from edge.settings import StateFolder
from edge.web.app import create_app
from edge.web.feed import Feed
from edge.web.metrics import Metrics
from edge.web.reader import Reader
from vocabulary import LedgerError, MonotonicClock


def run(state: StateFolder, progress: Progress, fd: int | None) -> None:
    """Serve on the socket that the supervisor bound (`fd`), or on one of our own. Raises SettingsError (port taken)."""
    station, _ = state.station()
    log = start_log(state, "web", station.name, new_epoch())
    reader = Reader(state)
    if fd is not None:
        listening = socket.socket(fileno=fd)
    else:
        listening = bind(station.web)
        write_endpoint(state, listening)
    feed = Feed(state, MonotonicClock(), counts_so_far(reader, log))
    app = create_app(feed, reader, Metrics(state, feed, reader), station.name, alive=lambda: progress.mark("web"))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, ws_max_size=1024, timeout_graceful_shutdown=1
    )
    log.info("serving", address=listening.getsockname()[:2])
    uvicorn.Server(config).run(sockets=[listening])


def counts_so_far(reader: Reader, log: structlog.typing.FilteringBoundLogger) -> dict[str, int]:
    """The ledger's counts, shown until the recorder sends newer ones; none on a first start."""
    try:
        return reader.counts()
    except LedgerError as err:
        log.info("no counts yet", why=str(err))
        return {}


def write_endpoint(state: StateFolder, listening: socket.socket) -> None:
    """Our address in `run/endpoints.json`, when no supervisor wrote it."""
    host, port = listening.getsockname()[:2]
    try:
        content = json.loads(state.endpoints.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    content["web"] = {"pid": os.getpid(), "url": f"http://{host}:{port}"}
    temporary = state.endpoints.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(state.endpoints)
