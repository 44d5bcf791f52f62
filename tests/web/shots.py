import sys, time
from pathlib import Path
import tempfile
from playwright.sync_api import sync_playwright
from tests.web.conftest import Station, Web, why

out = Path("/tmp/emu/shots")
out.mkdir(exist_ok=True)
tmp = Path(tempfile.mkdtemp())
st = Station(tmp)
w = Web(st, tmp)
try:
    w.wait()
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        pages = {}
        for name, (wd, ht) in {"1280": (1280, 800), "1920": (1920, 1080), "phone": (390, 844)}.items():
            pg = b.new_page(viewport={"width": wd, "height": ht})
            pages[name] = pg
            pg.on("console", lambda m: print("console", m.type, m.text))
            pg.on("pageerror", lambda e: print("pageerror", e))
            pg.goto(w.url + "/#lang=en&theme=light")
        n = 0
        st.gate["banner"] = [why("provisional", "limits are provisional: AUTO runs under allow_provisional")]
        seq = [("OK", "OK", {}), ("NI", "NOT_INSPECTED", {"picture": False}), ("RC", "RECHECK", {}), ("NG", "NG", {})]
        for tag, v, kw in seq:
            for _ in range(3):
                n += 1
                st.show(4822300 + n, v, **kw)
                time.sleep(0.15)
            time.sleep(0.6)
            for name, pg in pages.items():
                pg.screenshot(path=out / f"{tag}-{name}.png", full_page=name == "phone")
        st.gate |= {
            "mode": "BYPASS",
            "ready": False,
            "unmet": [why("plc_not_ready", "the PLC does not enable vision: CTRL bit 0")],
        }
        n += 1
        st.show(4822300 + n, "NG", disposition="HOLD")
        time.sleep(0.7)
        pages["1280"].screenshot(path=out / "BYPASS-1280.png")
        pages["phone"].screenshot(path=out / "BYPASS-phone.png")
        st.gate |= {"mode": "AUTO"}
        time.sleep(0.3)
        pages["1280"].goto(w.url + "/#lang=de&theme=dark")
        pages["1280"].reload()
        time.sleep(1)
        pages["1280"].screenshot(path=out / "NR-de.png")
        st.gate |= {"ready": True, "unmet": []}
        n += 1
        st.show(4822300 + n, "RECHECK")
        time.sleep(0.7)
        pages["1280"].screenshot(path=out / "RC-de.png")
        n += 1
        st.show(4822300 + n, "NOT_INSPECTED", picture=False)
        time.sleep(0.7)
        pages["1280"].screenshot(path=out / "NI-de.png")
        pages["1280"].goto(w.url + "/#lang=zh&theme=light")
        pages["1280"].reload()
        time.sleep(0.8)
        pages["1280"].screenshot(path=out / "NI-zh.png")
        n += 1
        st.show(4822300 + n, "NG")
        time.sleep(0.7)
        pages["1280"].goto(w.url + "/#lang=en&theme=light")
        pages["1280"].reload()
        time.sleep(0.8)
        st.speaking = False
        time.sleep(3)
        for name, pg in pages.items():
            pg.screenshot(path=out / f"STALE-{name}.png")
        b.close()
finally:
    w.end()
    st.end()
