"""What a camera further along the belt sees: the same parts as the first one, when the belt has brought them there."""

from collections import deque
from pathlib import Path

from plc_io.simulate.stage import Stage
from vocabulary import SettingsError


class FurtherStage:
    """A stage so many seconds of belt motion behind the first one."""

    def __init__(self, behind_s: float, stage: Stage) -> None:
        self.behind_s, self.stage = behind_s, stage
        self._coming: deque[tuple[float, bytes]] = deque()  # belt position from which the picture is shown

    def expect(self, position: float, png: bytes) -> None:
        """The first stage shows this now."""
        self._coming.append((position + self.behind_s, png))

    def move(self, position: float) -> None:
        """The belt is here."""
        while self._coming and position >= self._coming[0][0]:
            self.stage.show(self._coming.popleft()[1])


def parse(text: str, counts_per_s: int) -> FurtherStage:
    """`COUNTS:DIR`. Raises SettingsError."""
    counts, _, folder = text.partition(":")
    if not counts.isdecimal() or not int(counts) or not folder:
        raise SettingsError(f"--stage-at {text!r}", "COUNTS:DIR, encoder counts behind the part sensor and a folder")
    return FurtherStage(int(counts) / counts_per_s, Stage(Path(folder)))
