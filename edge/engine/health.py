"""Each picture against what was taught of its camera: outside is no verdict, on its way there is an alarm before.

figure  ·  ·  · ·   ·  · ·  ·  ·      of each part
mean      ────────╱────────           exponentially weighted; half the way to a limit: picture_drifting
limit   ─────────────────────
"""

from models.frame_health import FrameHealth, Values
from vocabulary import DataError, Image, Reason

WEIGHT = (
    0.1  # of the newest part; NIST/SEMATECH e-Handbook 6.3.2.4 takes 0.2 to 0.3 for single shifts, less for slow ones
)
LEAST = 10  # parts before a mean says something
BACK = 0.8  # of the drift share: below it the alarm ends
MOST = 1.5  # a single dark picture counts no more than this


class CameraHealth:
    """One camera under one recipe."""

    def __init__(self, camera: str, its: FrameHealth, drift_share: float) -> None:
        self.camera, self.its, self.drift_share = camera, its, drift_share
        self._mean: dict[str, float] = {}  # share of the way to a limit, with its sign
        self._parts = 0
        self._drifting: set[str] = set()

    def look(self, image: Image) -> tuple[Values, list[Reason]]:
        """The picture's figures, and why it is not to be judged."""
        try:
            values = self.its.measure(image)
        except DataError as err:
            return {}, [Reason("picture_wrong_size", f"camera {self.camera}: {err}")]
        self._parts += 1
        for name, value in values.items():
            used = max(-MOST, min(MOST, self.its.limits[name].used(value)))
            self._mean[name] = used if name not in self._mean else (1 - WEIGHT) * self._mean[name] + WEIGHT * used
        why = [Reason(one.code, f"camera {self.camera}: {one.text}") for one in self.its.check(values)]
        return values, why

    @property
    def drift(self) -> Reason | None:
        """What moves towards its limit; None: nothing does."""
        if self._parts < LEAST:
            return None
        for name, mean in self._mean.items():
            least = self.drift_share * (BACK if name in self._drifting else 1.0)
            (self._drifting.add if abs(mean) >= least else self._drifting.discard)(name)
        if not self._drifting:
            return None
        name = max(self._drifting, key=lambda one: abs(self._mean[one]))
        side = "upper" if self._mean[name] > 0 else "lower"
        text = f"camera {self.camera}: {name} has used {abs(self._mean[name]):.0%} of the way to its {side} limit"
        return Reason("picture_drifting", text)
