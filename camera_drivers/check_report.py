"""The result of `camera check` as text and as one HTML page: no script, nothing from elsewhere, made to be printed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

STYLE = """body { font: 11pt/1.4 sans-serif; margin: 2em auto; max-width: 60em; color: #111 }
h1 { font-size: 1.4em } table { border-collapse: collapse; width: 100%; margin: 1em 0 }
th, td { text-align: left; padding: .3em .6em; border-bottom: 1px solid #bbb; vertical-align: top }
.bad { background: #fde3e0; font-weight: bold }"""


def table(result: Mapping[str, Any]) -> str:
    """For a terminal."""
    lines = [
        f"{'ok  ' if one['ok'] else 'FAIL'} {one['what']}: {one['found']}"
        + (f"   ({one['limit']})" if one["limit"] else "")
        for one in result["findings"]
    ]
    return "\n".join([*lines, "passed" if result["passed"] else "NOT passed"])


def html(result: Mapping[str, Any]) -> str:
    """The report, whole."""
    rows = "".join(
        f"<tr class='{'' if one['ok'] else 'bad'}'><td>{escape(one['what'])}<td>{escape(one['found'])}"
        f"<td>{escape(one['limit'])}<td>{'ok' if one['ok'] else 'FAILED'}\n"
        for one in result["findings"]
    )
    known = {**result["camera"], "capabilities": ", ".join(result["capabilities"])}
    known |= {name: result[name] for name in ("size", "pixel_format", "exposure_us", "gain_db", "clock")}
    known |= {f"setting {name}": value for name, value in result["settings"].items()}
    facts = "".join(f"<tr><th>{escape(name)}<td>{escape(said(value))}\n" for name, value in known.items())
    verdict = "passed" if result["passed"] else "NOT passed"
    utc = datetime.now(UTC).isoformat(timespec="seconds")
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8>"
        f"<title>Camera check: {verdict}</title><style>{STYLE}</style>\n<h1>Camera check: {verdict}</h1>"
        f"<p>{escape(result['camera']['uri'])}, {result['triggers']} triggers, {utc}</p>\n"
        f"<table><tr><th>checked<th>found<th>limit<th>\n{rows}</table>\n<table>{facts}</table></html>\n"
    )


def said(value: object) -> str:
    """Unknown is said as such."""
    return "unknown" if value is None else " × ".join(map(str, value)) if isinstance(value, list) else str(value)
