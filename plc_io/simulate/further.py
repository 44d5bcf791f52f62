"""What a camera further along the belt sees: the same parts as the first one, when the belt has brought them there.

A picture is laid out half a takt before its part arrives. The belt waits for one that takes longer (a slow disk), as it
does at the first camera: what stands before a camera is always the part that the encoder says is there.
"""

import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from plc_io.simulate.stage import Stage
from vocabulary import SettingsError

EARLY_S = 0.01  # of belt motion: so long before its part arrives a picture is asked for at the latest


@dataclass(slots=True)
class Coming:
    """One part's picture; places are seconds of belt motion."""

    png: bytes
    shown_from: float
    arrives: float = math.inf  # not known before the first sensor saw the part


class FurtherStage:
    """A stage so many seconds of belt motion behind the first one."""

    def __init__(self, behind_s: float, stage: Stage) -> None:
        self.behind_s, self.stage = behind_s, stage
        self._coming: deque[Coming] = deque()
        self._last = self._laid = Coming(b"", 0.0)

    def expect(self, position: float, png: bytes) -> None:
        """The first stage shows this now."""
        self._last = Coming(png, position + self.behind_s)
        self._coming.append(self._last)

    def comes(self, position: float) -> None:
        """The part of the picture expected last is at the first sensor."""
        self._last.arrives = position + self.behind_s
        self._last.shown_from = min(self._last.shown_from, self._last.arrives - EARLY_S)

    def move(self, position: float) -> None:
        """The belt is here."""
        if self._coming and position >= self._coming[0].shown_from and self.stage.shown:
            self._laid = self._coming.popleft()
            self.stage.show(self._laid.png)
            if self._coming:
                self.stage.prepare(self._coming[0].png)

    def free_to(self) -> float:
        """How far the belt may go before the next picture lies there."""
        late = self._laid if not self.stage.shown else self._coming[0] if self._coming else None
        return math.inf if late is None else late.arrives - EARLY_S / 2


def parse(text: str, counts_per_s: int) -> FurtherStage:
    """`COUNTS:DIR`. Raises SettingsError."""
    counts, _, folder = text.partition(":")
    if not counts.isdecimal() or not int(counts) or not folder:
        raise SettingsError(f"--stage-at {text!r}", "COUNTS:DIR, encoder counts behind the part sensor and a folder")
    return FurtherStage(int(counts) / counts_per_s, Stage(Path(folder)))
