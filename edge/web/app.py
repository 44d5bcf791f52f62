"""The station's live page: read only, one origin, and no page can slow the station down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi import Path as PathValue
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from edge.web.feed import Feed
from edge.web.metrics import Metrics
from edge.web.reader import Reader
from vocabulary import LedgerError, Verdict

STATIC = Path(__file__).parent / "static"
MAX_PAGES = 32  # open at a time; the one too many is told to come back
IDLE_S = 1.0  # without news a page still hears that the server lives
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
Sha256 = Annotated[str, PathValue(pattern="^[0-9a-f]{64}$")]


def create_app(
    feed: Feed, reader: Reader, metrics: Metrics, station: str, alive: Callable[[], None] = lambda: None
) -> FastAPI:
    """The application. It hears the station itself from start to stop; `alive` is called while it does."""

    @asynccontextmanager
    async def hearing(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(feed.run(alive))
        yield
        task.cancel()

    app = FastAPI(title="Jidoka", lifespan=hearing, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    add_pages(app, feed, reader, station)
    add_live(app, feed, station)

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})

    return app


def add_pages(app: FastAPI, feed: Feed, reader: Reader, station: str) -> None:
    """Everything that is asked for once."""

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/api/state")
    async def state() -> Response:
        return as_json({"station": station, **feed.status(), "part": feed.part})

    @app.get("/api/parts")
    def parts(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, verdict: Annotated[list[Verdict] | None, Query()] = None
    ) -> Response:
        try:
            return as_json({"parts": reader.parts(limit, verdict or [])})
        except LedgerError as err:
            return as_json({"error": str(err)}, 503)

    @app.get("/api/picture/{sha256}")
    def picture(sha256: Sha256) -> Response:
        if (data := reader.picture(sha256)) is None:
            return as_json({"error": f"picture {sha256[:12]} is not kept"}, 404)
        unchanging = {"Cache-Control": "private, max-age=31536000, immutable"}  # its name is its content
        return Response(data, media_type="image/png", headers=unchanging)

    @app.get("/livez")
    async def livez() -> Response:
        return as_json({"alive": True})

    @app.get("/readyz")
    async def readyz() -> Response:
        unmet = feed.gate.unmet if feed.gate is not None else []
        why = unmet[0].text if unmet else "" if feed.fresh() else "the gate does not speak: see logs/gate.jsonl"
        ready = feed.fresh() and feed.gate is not None and feed.gate.ready
        return as_json({"ready": ready, "why": why}, 200 if ready else 503)


def add_live(app: FastAPI, feed: Feed, station: str) -> None:
    """The page's live data. One frame is under way per page; the next leaves when the last one was drawn."""
    pages: set[WebSocket] = set()

    @app.websocket("/ws/live")
    async def live(page: WebSocket) -> None:
        if not same_origin(page):
            await page.close(1008)
            return
        await page.accept()
        if len(pages) >= MAX_PAGES:
            await page.close(1013, f"{MAX_PAGES} pages are open already: close one")
            return
        pages.add(page)
        try:
            await show(page, feed, station)
        except WebSocketDisconnect:
            return
        finally:
            pages.discard(page)


async def show(page: WebSocket, feed: Feed, station: str) -> None:
    """Send frames until the page goes away. A part is sent once; what came while the page drew is passed over."""
    number, shown = 0, None
    while True:
        number, seen = number + 1, feed.version
        part = feed.part if feed.part is not None and feed.part["part"] != shown else None
        await page.send_text(frame(number, feed, station, part))
        shown = part["part"] if part else shown
        while await page.receive_text() != str(number):
            pass  # an acknowledgement of an older frame
        await feed.changed(seen, IDLE_S)


def frame(number: int, feed: Feed, station: str, part: dict[str, Any] | None) -> str:
    """One frame as text; `part` only when it is new to this page."""
    return msgspec.json.encode({"n": number, "station": station, **feed.status(), "part": part}).decode()


def same_origin(page: WebSocket) -> bool:
    """A browser names the page that opens the socket; only our own may. Who names none is no browser page of ours."""
    origin, host = page.headers.get("origin", ""), page.headers.get("host", "")
    return bool(host) and origin in (f"http://{host}", f"https://{host}")


def as_json(content: Any, status: int = 200) -> Response:
    """JSON; bytes become base64."""
    return Response(
        msgspec.json.encode(content), status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )
