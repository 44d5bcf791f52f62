"""What the machine knows of every part, on disk, so that a machine that was killed still knows it when it is back."""

import csv
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

from vocabulary import SettingsError


@dataclass(frozen=True, slots=True)
class Planned:
    """One part that will come: its picture and the truth about it."""

    path: str
    label: str
    sha256: str  # of the raw pixels
    png: bytes


@dataclass(slots=True)
class Piece:
    """One part on the belt."""

    part: int
    plc_epoch: int
    number: int
    seq: int
    picture: str | None
    picture_sha256: str | None
    label: str | None
    triggered_utc: str
    lateness_ms: float
    verdict: str | None = None
    consumed_ms: float | None = None
    refused: list[str] = field(default_factory=list)
    overdue: bool = False
    routed: str | None = None  # passed, rejected, recheck, hold
    why: str = ""
    confirmed: bool = False
    ghost: bool = False  # registered by a bouncing sensor: no part is there


class Account:
    """`FILE`: a JSON line per part that left; `FILE.belt`: a line per trigger, written before the trigger shows."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        belt = path.with_name(path.name + ".belt")
        left = read_lines(path)
        triggered = read_lines(belt)
        self.pieces = [Piece(**line) for line in left]
        self._file, self._belt = path.open("a", encoding="utf-8"), belt.open("a", encoding="utf-8")
        have = {(piece.plc_epoch, piece.number) for piece in self.pieces}
        for line in triggered:
            if (line["plc_epoch"], line["number"]) not in have:
                self.left(Piece(**line), "rejected", "the machine was restarted while this part was on the belt")
        self.parts = len(self.pieces)

    def triggered(self, piece: Piece) -> None:
        """A part is under the camera."""
        self._belt.write(json.dumps(asdict(piece)) + "\n")
        self._belt.flush()
        self.parts += 1

    def left(self, piece: Piece, routed: str, why: str) -> None:
        """A part left the belt."""
        piece.routed, piece.why = routed, why
        self._file.write(json.dumps(asdict(piece)) + "\n")
        self._file.flush()
        self.pieces.append(piece)

    def close(self) -> None:
        """Done."""
        self._file.close()
        self._belt.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines; a last one that a kill cut short is dropped from the file."""
    if not path.exists():
        return []
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        path.write_bytes(whole[:end])
    return [json.loads(line) for line in whole[:end].splitlines()]


def read_plan(path: Path) -> list[Planned]:
    """The parts of a dataset.csv, in order. Raises SettingsError naming file and row."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [planned(path.parent / row["path"], row["label"]) for row in rows]
    except (OSError, KeyError, UnicodeDecodeError) as err:
        raise SettingsError(f"plan {path}: {err!r}", "a dataset.csv with path,label and readable pictures") from err


def planned(path: Path, label: str) -> Planned:
    """A part with its truth: the pixels that a camera must see."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SettingsError(f"plan: {path}: no picture", "name readable 8-bit pictures")
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image
    png = path.read_bytes() if path.suffix.lower() == ".png" else cv2.imencode(".png", image)[1].tobytes()
    return Planned(str(path), label, hashlib.sha256(pixels.tobytes()).hexdigest(), png)
