"""`[lights.NAME.CHANNEL]` of a recipe: what each channel of a light controller does while parts of it are inspected."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from camera_drivers.lights import Strobe
from camera_drivers.lights import light as make_light
from edge.settings import LightSettings
from edge.toml_files import Strict
from vocabulary import InspectionError, SettingsError

NO_LIGHTS: Mapping[str, LightSettings] = {}
Channel = Annotated[str, Field(pattern="^[1-9][0-9]?$", description="as on the controller, from 1")]


class ChannelSettings(Strict):
    """One pulse for each trigger of one channel. Channels that the recipe does not name are dark."""

    intensity_percent: float = Field(ge=0, le=1000, description="of the light's rated current")
    pulse_us: float = Field(gt=0, le=1_000_000)
    delay_us: float = Field(ge=0, le=1_000_000, description="from the trigger edge to the pulse")
    period_us: float = Field(
        gt=0, le=1_000_000, description="least time between two triggers of this light; sooner ones are ignored"
    )


RecipeLights = dict[str, dict[Channel, ChannelSettings]]


def strobes(asked: Mapping[str, ChannelSettings], station: LightSettings) -> dict[int, Strobe]:
    """What one controller is to do, by channel; the duty that its LEDs stand is the station's to say."""
    limit = station.duty_limit_percent
    return {int(channel): Strobe(**its.model_dump(), duty_limit_percent=limit) for channel, its in asked.items()}


def check_lights(path: Path, asked: RecipeLights, lights: Mapping[str, LightSettings]) -> None:
    """Refuse a light that is not there, and what its kind of controller can't do. Raises SettingsError."""
    for name, channels in asked.items():
        if name not in lights:
            known = f"one of {', '.join(lights)}" if lights else "add [lights.NAME] to station.toml"
            raise SettingsError(f"{path}: lights.{name}: no light {name!r} at this station", known)
        driver = make_light(lights[name].uri, name)
        for channel, strobe in strobes(channels, lights[name]).items():
            try:
                driver.check(channel, strobe)
            except InspectionError as err:
                raise SettingsError(f"{path}: lights.{name}.{channel}: {err.what}", err.remedy) from err
