"""`jidoka camera check`: acceptance test of a camera on the bench. Every trigger is accounted for, or it has failed.

triggers   | | | | | | … 1,000, each waited for: latency, losses, jitter      |||||  five at once: frames + losses = 5
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np

from camera_drivers.camera import Camera, Capability, Frame
from camera_drivers.drivers import GRAB_LATENCY_MS
from camera_drivers.network import network_health
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, picture_hash

TIMEOUT_S = 2.0  # a frame that takes longer is lost; a free-running camera is lost by then too
BURST = 5
SATURATED, BLACK = 250, 5  # grey levels
MOST_SATURATED = 0.05  # share of pixels, ours: more hides defects
MEAN = (16.0, 240.0)  # grey levels, ours: outside there is nothing to see
PACE = 0.02  # share by which the frame rate may miss what was asked for, ours
Check = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """What came, over all triggers."""

    latency_ms: list[float] = field(default_factory=list)  # trigger command → picture here
    arrived_ns: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # triggers without a frame, in words
    same: int = 0  # pictures with the very pixels of the one before
    means: list[float] = field(default_factory=list)
    saturated: list[float] = field(default_factory=list)
    focus: list[float] = field(default_factory=list)
    last: Frame | None = None
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    found: str
    limit: str = ""


def check(
    camera: Camera, triggers: int, settings: Mapping[str, float | str], rate: float | None, most_ms: float | None
) -> Check:
    """Run it on a camera that is not open yet (it is closed again). `rate`: triggers a second; None: one after another.

    `most_ms`: what p99.9 of trigger → picture may be; None: any. Raises DeviceError (it can't be opened or triggered),
    SettingsError.
    """
    try:
        camera.open()
        free = Capability.FREE_RUNNING in camera.capabilities
        applied = camera.configure({**({"latency_ms": GRAB_LATENCY_MS} if free else {}), **settings})
        camera.start()
        seen = expose(camera, triggers, rate)
        burst = expose_at_once(camera)
        camera.stop()
        health = camera.health()
        address = getattr(camera, "address", None)
        network = network_health(address) if isinstance(address, str) else None
    finally:
        camera.close()
    findings = [*losses(seen, triggers, burst), accounted(health), *timing(seen, rate, most_ms)]
    findings += looks(seen, dict(applied.changed))
    findings += [Finding("network", False, one, "see the remedy") for one in (network.remedies if network else ())]
    frame = seen.last
    return {
        "camera": asdict(camera.info), "capabilities": sorted(camera.capabilities), "settings": dict(applied.values),
        "passed": all(one.ok for one in findings), "findings": [asdict(one) for one in findings],
        "triggers": triggers, "lost": len(seen.failed), "latency_ms": quantiles(seen.latency_ms),
        "health": asdict(health), "network": asdict(network) if network else None,
        "clock": frame.clock if frame else None, "exposure_us": frame.exposure_us if frame else None,
        "gain_db": frame.gain_db if frame else None, "pixel_format": frame.pixel_format if frame else None,
        "size": [frame.image.shape[1], frame.image.shape[0]] if frame else None,
    }  # fmt: skip


def expose(camera: Camera, triggers: int, rate: float | None) -> Seen:
    """One after another, at most `rate` a second. A camera that is lost ends it. Raises DeviceError: not one came."""
    seen, due = Seen(), time.monotonic()
    for number in range(1, triggers + 1):
        if rate is not None:
            time.sleep(max(0.0, due - time.monotonic()))
            due += 1 / rate
        began_ns = time.monotonic_ns()
        try:
            camera.trigger(number)
            with camera.next_frame(TIMEOUT_S) as frame:
                note(seen, frame, number, began_ns)
        except DeviceLost as err:
            if not seen.latency_ms:
                raise
            seen.failed += [f"trigger {number}: {err}"] + [
                f"trigger {n}: not given" for n in range(number + 1, triggers + 1)
            ]
            break
        except DeviceTimeout as err:
            seen.failed.append(f"trigger {number}: {err}")
            camera.stop()
            camera.start()
    if not seen.latency_ms:
        raise DeviceError(camera.name, f"no picture for {triggers} triggers", seen.failed[-1])
    return seen


def note(seen: Seen, frame: Frame, number: int, began_ns: int) -> None:
    """One frame. Raises DeviceTimeout: it is not this trigger's picture."""
    if frame.status != "ok" or frame.trigger != number:
        raise DeviceTimeout(frame.camera, f"{frame.status} frame of trigger {frame.trigger}", "check cable, bandwidth")
    seen.latency_ms.append((frame.arrived_ns - began_ns) / 1e6)
    seen.arrived_ns.append(frame.arrived_ns)
    digest = picture_hash(frame.image)
    seen.same += digest == seen.hash
    grey = frame.image if frame.image.ndim == 2 else frame.image[..., 1]
    seen.means.append(float(grey.mean()))
    seen.saturated.append(float((grey >= SATURATED).mean()))
    seen.focus.append(focus(grey))
    seen.last, seen.hash = frame, digest


def focus(grey: Image) -> float:
    """Variance of the Laplacian over the squared mean: rises while the focus gets better, whatever the light."""
    height, width = grey.shape
    middle = np.ascontiguousarray(grey[height // 4 : height - height // 4, width // 4 : width - width // 4])
    return float(cv2.Laplacian(middle, cv2.CV_32F).var() / max(float(middle.mean()), 1.0) ** 2)


def expose_at_once(camera: Camera) -> str:
    """BURST triggers without waiting: each gives a frame, an error, or a loss that is counted. Empty: all is well."""
    before = camera.health()
    given = got = 0
    try:
        for number in range(1, BURST + 1):
            camera.trigger(10**6 + number)
            given += 1
        while got < given:
            camera.next_frame(TIMEOUT_S).release()
            got += 1
    except DeviceTimeout:
        pass  # lost ones are counted when it is stopped
    except DeviceError as err:
        return str(err)
    camera.stop()
    after = camera.health()
    camera.start()
    frames = after.delivered + after.incomplete - before.delivered - before.incomplete
    lost = after.lost - before.lost
    return "" if frames + lost == after.triggers - before.triggers else f"{frames} frames and {lost} losses of {given}"


def losses(seen: Seen, triggers: int, burst: str) -> list[Finding]:
    """Triggers without a picture."""
    said = f"{len(seen.failed)} of {triggers}" + (f"; the first: {seen.failed[0]}" if seen.failed else "")
    return [
        Finding("lost triggers", not seen.failed, said, "none"),
        Finding(
            f"{BURST} triggers at once",
            not burst,
            burst or "frames and losses make up all",
            "frames + losses = triggers",
        ),
    ]


def accounted(health: Any) -> Finding:
    """The driver's own books."""
    said = f"{health.delivered} delivered + {health.incomplete} incomplete + {health.lost} lost of {health.triggers}"
    ok = health.triggers == health.delivered + health.incomplete + health.lost
    return Finding("triggers accounted for", ok, said, "all of them")


def timing(seen: Seen, rate: float | None, most_ms: float | None) -> list[Finding]:
    """How fast, and how evenly."""
    p = quantiles(seen.latency_ms)
    said = " / ".join(f"{p[name]:.2f}" for name in ("p50", "p99", "p999", "max"))
    slow = most_ms is not None and p["p999"] > most_ms
    limit = "" if most_ms is None else f"p99.9 at most {most_ms:g} ms"
    found = [Finding("trigger → picture, ms: p50 / p99 / p99.9 / max", not slow, said, limit)]
    came = seen.arrived_ns
    reached = (len(came) - 1) * 1e9 / (came[-1] - came[0]) if len(came) > 1 else 0.0
    at_pace = rate is None or abs(reached - rate) <= PACE * rate
    found.append(
        Finding("frames a second", at_pace, f"{reached:.2f}", "" if rate is None else f"{rate:g} ± {PACE:.0%}")
    )
    if rate is not None and len(seen.arrived_ns) > 2:
        gaps = np.diff(seen.arrived_ns) / 1e6
        said = f"{gaps.std():.2f} (gaps {gaps.min():.2f} to {gaps.max():.2f})"
        found.append(Finding("jitter of arrivals, ms standard deviation", True, said))
    return found


def looks(seen: Seen, changed: dict[str, str]) -> list[Finding]:
    """Light, focus, and whether the picture lives."""
    mean, saturated, sharp = (float(np.median(one)) for one in (seen.means, seen.saturated, seen.focus))
    count = len(seen.means)
    return [
        Finding("settings as asked", not changed, "; ".join(changed.values()) or "all read back", "read back equal"),
        Finding("brightness", MEAN[0] <= mean <= MEAN[1], f"mean {mean:.1f}", f"{MEAN[0]:g} to {MEAN[1]:g} of 255"),
        Finding("saturated pixels", saturated <= MOST_SATURATED, f"{saturated:.1%}", f"at most {MOST_SATURATED:.0%}"),
        Finding("focus score (higher is sharper; compare while focusing)", True, f"{sharp:.4f}"),
        Finding(
            "pictures equal to the one before",
            seen.same < count - 1 or count == 1,
            f"{seen.same} of {count}",
            "sensors have noise",
        ),
    ]


def quantiles(ms: list[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the longest."""
    p50, p99, p999 = (float(np.percentile(ms, q)) for q in (50, 99, 99.9))
    return {"p50": p50, "p99": p99, "p999": p999, "max": max(ms)}
