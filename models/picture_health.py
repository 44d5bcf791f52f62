"""Is this a picture of a part at all? Cheap statistics that catch a dark strobe, a lens cap, glare and blur."""

from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np

from vocabulary import Image, Reason

SAMPLE = 4  # statistics look at every 4th row and column: 1280 × 1024 in well below a millisecond
SATURATED = 250  # grey value from which a pixel holds no more information


@dataclass(frozen=True, slots=True)
class Health:
    """One picture's figures, grey values 0 … 255."""

    mean: float
    contrast: float  # standard deviation
    saturated_share: float
    sharpness: float  # mean absolute Laplacian of the middle half

    def as_dict(self) -> dict[str, float]:
        """For the ledger, rounded to what is meaningful."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What a healthy picture of this product looks like."""

    mean_min: float
    mean_max: float
    contrast_min: float
    saturated_share_max: float
    sharpness_min: float

    def with_(self, **changes: float) -> "HealthLimits":
        """With a recipe's own values."""
        return replace(self, **changes)


def measure(image: Image) -> Health:
    """The figures of a picture."""
    height, width = image.shape[:2]
    grey = image if image.ndim == 2 else image[..., 1]  # green carries most of the luminance
    sample = grey[::SAMPLE, ::SAMPLE] if min(height, width) >= 64 * SAMPLE else grey
    middle = np.ascontiguousarray(grey[height // 4 : height - height // 4, width // 4 : width - width // 4])
    return Health(
        float(sample.mean()),
        float(sample.std()),
        float((sample >= SATURATED).mean()),
        float(np.abs(cv2.Laplacian(middle, cv2.CV_16S)).mean()),
    )


def reference(taught: list[Health]) -> HealthLimits:
    """Generous limits from taught pictures, so that a defect alone hardly trips them.

    A dead solar cell is a real defect with a sixth of a good one's mean and a third of its contrast (11 of 91 bad
    polycrystalline cells were lost to a limit of half the mean): dark begins at an eighth, flat at a fifth. A lens cap
    or a dead strobe lies below both; a merely weak light reaches the model, which finds it unlike what was taught.
    """
    means = [health.mean for health in taught]
    return HealthLimits(
        mean_min=min(means) / 8,
        mean_max=min(255.0, max(means) + (255 - max(means)) * 0.75),
        contrast_min=min(health.contrast for health in taught) / 5,
        saturated_share_max=min(1.0, max(health.saturated_share for health in taught) * 2 + 0.2),
        sharpness_min=min(health.sharpness for health in taught) / 3,
    )


def check(health: Health, limits: HealthLimits) -> list[Reason]:
    """Why this picture can't be judged; empty: it can."""
    rules = [
        (health.mean < limits.mean_min, "picture_dark", f"mean {health.mean:.0f}, at least {limits.mean_min:.0f}"),
        (health.mean > limits.mean_max, "picture_bright", f"mean {health.mean:.0f}, at most {limits.mean_max:.0f}"),
        (
            health.saturated_share > limits.saturated_share_max,
            "picture_saturated",
            f"{health.saturated_share:.0%} saturated, at most {limits.saturated_share_max:.0%}",
        ),
        (
            health.contrast < limits.contrast_min,
            "picture_flat",
            f"contrast {health.contrast:.1f}, at least {limits.contrast_min:.1f}",
        ),
        (
            health.sharpness < limits.sharpness_min,
            "picture_blurred",
            f"sharpness {health.sharpness:.2f}, at least {limits.sharpness_min:.2f}",
        ),
    ]
    return [Reason(code, f"{code.replace('_', ' ')}: {text}") for broken, code, text in rules if broken]
