"""The live page in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect, sync_playwright

from tests.web.conftest import Station, Web, wait_until, why

SIZES = {"kiosk": (1280, 800), "large": (1920, 1080), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        one = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield one
        one.close()


class Screen:
    """A page with everything it said and asked for."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        size: str = "kiosk",
        fragment: str = "lang=en&theme=light",
        *,
        clock: bool = False,
    ) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
        self.page: Page = self.context.new_page()
        if clock:
            self.page.clock.install()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.sockets: list[WebSocket] = []
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.goto(f"{url}/#{fragment}")

    def verdict(self) -> Any:
        return expect(self.page.locator("#verdict"))

    def text(self, name: str) -> Any:
        return expect(self.page.locator(f"#{name}"))


@pytest.fixture
def screen(browser: Browser, web: Web) -> Iterator[Screen]:
    one = Screen(browser, web.url)
    yield one
    one.context.close()


@pytest.mark.parametrize(
    ("verdict", "look", "word"),
    [
        ("OK", "ok", "OK"), ("NG", "ng", "NG"), ("RECHECK", "rc", "RECHECK"), ("NOT_INSPECTED", "ni", "NOT INSPECTED"),
    ],
)  # fmt: skip
def test_each_verdict_has_its_colour_shape_and_word(
    station: Station, screen: Screen, verdict: str, look: str, word: str
) -> None:
    station.show(41, verdict)
    screen.verdict().to_have_attribute("data-verdict", verdict)
    screen.verdict().to_have_class(f"verdict {look}")
    screen.text("verdict-word").to_have_text(word)
    screen.text("verdict-glyph").to_have_attribute("href", f"#g-{verdict}")
    screen.text("part").to_have_text("Part 41")


def test_reason_score_counters_and_laps_are_shown(station: Station, screen: Screen) -> None:
    for number, verdict in enumerate(("OK", "OK", "OK", "NG"), 1):
        station.show(number, verdict)
    screen.verdict().to_have_attribute("data-verdict", "NG")
    screen.text("reason").to_have_text("Defect above the limit")
    screen.text("ruler-limit").to_have_text("0.62")
    screen.text("n-parts").to_have_text("4")
    screen.text("n-OK").to_have_text("3")
    screen.text("yield").to_have_text("75.0 % of 4")
    screen.text("takt").to_have_text("0.50 s of 0.50")
    screen.text("margin").to_have_text("159 ms of 190, n 4")
    laps = [
        "asked",
        "received",
        "exposed",
        "arrived",
        "inferred",
        "decided",
        "answered",
        "written",
        "consumed",
        "deadline",
    ]
    expect(screen.page.locator("#lap-list li")).to_contain_text(laps)
    expect(screen.page.locator("#lap-list")).to_contain_text("consumed 35.6")
    expect(screen.page.locator("#strip li")).to_have_count(1)


def test_the_picture_is_the_part_s_own_and_the_heatmap_can_be_switched_off(station: Station, screen: Screen) -> None:
    sha256 = station.show(8, "NG")
    canvas = expect(screen.page.locator("#picture"))
    canvas.to_have_attribute("data-sha256", str(sha256))
    canvas.to_have_attribute("data-heat", "true")
    canvas.to_have_attribute("data-boxes", "1")
    assert colourful(screen.page) > 0.01
    screen.page.keyboard.press("h")
    canvas.to_have_attribute("data-heat", "false")
    screen.page.keyboard.press("b")
    canvas.to_have_attribute("data-boxes", "0")
    expect(screen.page.locator("#heat")).to_have_attribute("aria-pressed", "false")
    assert colourful(screen.page) == 0
    screen.page.locator("#heat").click()
    canvas.to_have_attribute("data-heat", "true")
    assert colourful(screen.page) > 0.01


def colourful(page: Page) -> float:
    """The share of the canvas that is not grey; the staged picture is."""
    script = """() => {
      const c = document.getElementById("picture");
      const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      let n = 0;
      for (let k = 0; k < d.length; k += 4) n += Math.abs(d[k] - d[k + 2]) > 12;
      return 4 * n / d.length; }"""
    return float(page.evaluate(script))


def test_a_part_without_a_picture_blanks_the_one_before(station: Station, screen: Screen) -> None:
    station.show(1, "NG")
    screen.verdict().to_have_attribute("data-verdict", "NG")
    station.show(2, "NOT_INSPECTED", picture=False)
    screen.verdict().to_have_attribute("data-verdict", "NOT_INSPECTED")
    expect(screen.page.locator("#picture")).to_have_attribute("data-sha256", "")
    assert screen.page.evaluate(
        """() => { const c = document.getElementById("picture");
        return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.every((v) => v === 0); }"""
    )
    screen.text("no-picture").to_have_text("no picture")


def test_a_silent_station_blanks_the_verdict_and_a_speaking_one_brings_it_back(
    station: Station, screen: Screen
) -> None:
    station.show(3, "OK")
    screen.verdict().to_have_attribute("data-verdict", "OK")
    station.speaking = False
    screen.verdict().to_have_attribute("data-verdict", "?")
    screen.text("mode-word").to_have_text("?")
    screen.text("ready-word").to_have_text("?")
    screen.text("part").to_have_text("Last part 3")
    screen.text("reason").to_have_text("The station is silent")
    expect(screen.page.locator("body")).to_have_class("stale")
    age = float(
        screen.page.locator("#verdict-means").inner_text().removeprefix("no fresh data for ").removesuffix(" s")
    )
    assert age >= 1.5
    station.speaking = True
    screen.verdict().to_have_attribute("data-verdict", "OK")


def test_the_verdict_is_gone_when_the_page_s_own_clock_has_run_on(browser: Browser, station: Station, web: Web) -> None:
    screen = Screen(browser, web.url, clock=True)
    station.show(3, "OK")
    screen.verdict().to_have_attribute("data-verdict", "OK")
    screen.page.clock.pause_at(screen.page.evaluate("Date.now()") + 50)
    web.popen.kill()
    wait_until(lambda: screen.page.title() and screen.sockets[0].is_closed(), "the page's last message")
    screen.page.clock.run_for(1600)
    assert screen.page.locator("#verdict").get_attribute("data-verdict") == "?"
    screen.context.close()


def test_a_dead_server_blanks_the_verdict(station: Station, screen: Screen, web: Web) -> None:
    station.show(3, "NG")
    screen.verdict().to_have_attribute("data-verdict", "NG")
    web.popen.kill()
    screen.verdict().to_have_attribute("data-verdict", "?")
    screen.text("reason").to_have_text("This screen has lost the station")


def test_an_old_verdict_is_not_shown_while_newer_parts_are_judged_unseen(station: Station, screen: Screen) -> None:
    station.show(3, "OK")
    screen.verdict().to_have_attribute("data-verdict", "OK")
    station.gate["last"] = {"part": 4, "written_us": 30_000}  # the gate judged part 4, the recorder tells nothing of it
    screen.verdict().to_have_attribute("data-verdict", "?")
    screen.text("reason").to_have_text("The records are behind")
    screen.text("mode-word").to_have_text("?")
    station.show(4, "OK")
    screen.verdict().to_have_attribute("data-verdict", "OK")


def test_not_ready_names_the_first_unmet_condition(station: Station, screen: Screen) -> None:
    station.gate |= {
        "ready": False,
        "unmet": [why("camera_not_ready", "top: no camera 123: check cable"), why("model_failed", "later")],
    }
    screen.text("ready-word").to_have_text("NOT READY")
    screen.text("banner-word").to_have_text("NOT READY: Camera not ready")
    screen.text("banner-text").to_have_text("top: no camera 123: check cable")


def test_the_override_stays_on_the_banner_in_every_mode(station: Station, screen: Screen) -> None:
    station.gate["banner"] = [why("provisional", "limits are provisional: AUTO runs under allow_provisional")]
    screen.text("banner").to_contain_text("AUTO runs under allow_provisional")
    station.gate["mode"] = "BYPASS"
    screen.text("banner-word").to_have_text("BYPASS: parts leave without inspection")
    screen.text("banner").to_have_class("banner hz")
    screen.text("banner-notes").to_have_text("Limits are provisional")


@pytest.mark.parametrize("mode", ["OBSERVE", "SETUP", "OFFLINE", "BYPASS"])
def test_every_mode_but_auto_has_a_banner(station: Station, screen: Screen, mode: str) -> None:
    screen.text("banner").to_be_hidden()
    station.gate["mode"] = mode
    screen.text("mode-word").to_have_text(mode)
    screen.text("banner-word").to_contain_text(f"{mode}: ")


def test_an_observed_part_is_on_hold_with_the_opinion_beside_it(station: Station, screen: Screen) -> None:
    station.gate["mode"] = "OBSERVE"
    station.show(9, "NOT_INSPECTED", judged="NG", disposition="HOLD", mode="OBSERVE")
    screen.verdict().to_have_attribute("data-verdict", "HOLD")
    screen.text("verdict-means").to_have_text("would be NG, not applied")


@pytest.mark.parametrize(
    ("language", "word", "label"),
    [("zh", "未检测", "工件"), ("de", "UNGEPRÜFT", "Teile"), ("en", "NOT INSPECTED", "Parts")],
)
def test_it_speaks_three_languages(
    browser: Browser, station: Station, web: Web, language: str, word: str, label: str
) -> None:
    screen = Screen(browser, web.url, fragment=f"lang={language}")
    station.show(4, "NOT_INSPECTED")
    screen.text("verdict-word").to_have_text(word)
    expect(screen.page.locator("#counts dt").first).to_have_text(label)
    assert screen.page.evaluate("document.documentElement.lang") == language
    screen.context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("verdict", ["OK", "NG", "RECHECK", "NOT_INSPECTED"])
def test_it_fits_the_screen_and_can_be_read_from_afar(
    browser: Browser, station: Station, web: Web, size: str, verdict: str
) -> None:
    """Capitals are 0.73 of the font size; a kiosk gives OK and NG 15 % of its height, a phone is held in the hand."""
    station.gate["banner"] = [why("provisional", "limits are provisional: AUTO runs under allow_provisional")]
    screen = Screen(browser, web.url, size)
    station.show(4, verdict)
    screen.verdict().to_have_attribute("data-verdict", verdict)
    page, (width, height) = screen.page, SIZES[size]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if size != "phone":
        assert page.evaluate("document.documentElement.scrollHeight") <= height
    panel, word = page.locator("#verdict").bounding_box(), page.locator("#verdict .w").bounding_box()
    assert panel is not None
    assert word is not None
    assert panel["x"] <= word["x"]
    assert word["x"] + word["width"] <= panel["x"] + panel["width"] + 1
    font = float(page.locator("#verdict .w").evaluate("e => parseFloat(getComputedStyle(e).fontSize)"))
    if size != "phone" and verdict in ("OK", "NG"):
        assert 0.73 * font >= 0.15 * height
    glyph = page.locator("#verdict .w svg").bounding_box()
    assert glyph is not None
    assert glyph["height"] >= (0.11 * height if size != "phone" else 0.12 * width)
    screen.context.close()


def test_no_other_host_is_asked_and_nothing_goes_wrong_in_the_console(
    station: Station, screen: Screen, web: Web
) -> None:
    for number, verdict in enumerate(("OK", "NG", "RECHECK", "NOT_INSPECTED"), 1):
        station.show(number, verdict)
        screen.verdict().to_have_attribute("data-verdict", verdict)
    for key in "hbhb":
        screen.page.keyboard.press(key)
    screen.page.locator("#language").click()
    screen.page.locator("#theme").click()
    expect(screen.page.locator("#strip li img")).to_have_count(2)
    host = web.url.removeprefix("http://")
    asked = [*screen.asked, *(socket.url for socket in screen.sockets)]
    assert f"ws://{host}/ws/live" in asked
    assert [url for url in asked if url.split("/")[2] != host] == []
    assert screen.said == []


def test_it_comes_back_by_itself_when_the_server_does(station: Station, screen: Screen, web: Web) -> None:
    station.show(3, "OK")
    screen.verdict().to_have_attribute("data-verdict", "OK")
    port = int(web.url.rsplit(":", 1)[1])
    web.end()
    screen.verdict().to_have_attribute("data-verdict", "?")
    again = Web(station, station.state.root.parent, port=port)
    try:
        again.wait()
        station.show(4, "NG")
        expect(screen.page.locator("#verdict")).to_have_attribute("data-verdict", "NG", timeout=15_000)
    finally:
        again.end()
