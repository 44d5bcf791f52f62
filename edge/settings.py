"""`station.toml`: who this station is and what it is wired to. Parsed once; frozen afterwards."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from edge.atomic import replace
from edge.toml_files import Strict, read
from vocabulary import Mode, SettingsError

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class CameraSettings(Strict):
    """One camera and how its frames come to be."""

    name: str = Field(pattern=NAME)
    uri: str = Field(min_length=3, description="folder:PATH, sim:?seed=1, basler:SERIAL; relative paths from this file")
    trigger_source: Literal["software", "plc_wired", "sensor_wired", "encoder"] = "software"
    trigger_offset_ms: float = Field(
        default=0,
        ge=0,
        le=600_000,
        description="wired: from the part's arrival (the trigger, or position_counts) to the exposure",
    )
    trigger_offset_counts: int = Field(default=0, ge=0, lt=2**31, description="encoder: the same in encoder counts")
    position_counts: int = Field(
        default=0, ge=0, lt=2**30, description="how far behind the part sensor it looks, in encoder counts of the belt"
    )
    may_repeat: bool = Field(default=False, description="two parts may have the very same pixels: pictures from files")
    frame_timeout_ms: float = Field(default=500, gt=0, le=10_000)
    settings: dict[str, float | str] = Field(default_factory=dict)


class LightSettings(Strict):
    """One light controller, `[lights.NAME]`; what its channels do is the recipe's."""

    uri: str = Field(pattern="^[a-z][a-z0-9+.-]*:.+", description="gardasoft:/dev/ttyUSB0")
    duty_limit_percent: float = Field(
        default=100,
        gt=0,
        le=100,
        description="of the LEDs, from their data sheet; the controller's limits hold besides",
    )


class PlcSettings(Strict):
    """The link to the machine."""

    uri: str = Field(min_length=3)
    poll_ms: float = Field(default=2, ge=1, le=100)
    recipe_master: Literal["station", "plc"] = "station"
    confirmations: bool = Field(
        default=True, description="the PLC tells how each part left; false: no sensors behind the rejecter"
    )
    heartbeat_lost_ms: int = Field(
        default=500, ge=200, le=10_000, description="PLC_HB unchanged for longer: the PLC is not alive"
    )
    transport_ms: float = Field(
        default=10,
        ge=0,
        le=10_000,
        description="measured maxima of trigger transport and write-to-consumed; taken off the PLC's deadline",
    )


class WebSettings(Strict):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)


Name = Annotated[str, Field(pattern=NAME)]
RetentionClass = Annotated[str, Field(pattern="^(OK_SAMPLE|NG|RECHECK|NOT_INSPECTED)$")]
Megabytes = Annotated[int, Field(ge=1)]


class PictureSettings(Strict):
    """Kept are all pictures of NG, RECHECK, NOT_INSPECTED and a share of OK; over budget the oldest OK go first."""

    keep_ok_share: float = Field(default=0.02, ge=0, le=1)
    budget_mb: int = Field(default=20_000, ge=10)
    quota_mb: dict[RetentionClass, Megabytes] = Field(
        default_factory=lambda: {"OK_SAMPLE": 5_000, "NOT_INSPECTED": 3_000},
        description="at most this much of a class: a night of dark pictures must not push out what was NG",
    )
    min_free_mb: int = Field(default=500, ge=0, description="below this much free disk no picture is kept")
    ballast_mb: int = Field(default=64, ge=0, description="a file given up for the ledger when the disk is full")


AlarmKey = Annotated[str, Field(pattern="^[A-Za-z_]+$")]


class RecordingSettings(Strict):
    """`[recording]`: the last pictures of each camera, in the recorder's memory until somebody wants them on disk."""

    frames: int = Field(default=0, ge=0, le=5_000, description="of each camera; 0: none. Each takes a picture's bytes")
    on_alarms: list[AlarmKey] = Field(
        default_factory=list, description="alarms that write them out, e.g. escape_seen, picture_drifting"
    )
    keep: int = Field(default=10, ge=1, le=1_000, description="dumps; then the oldest goes")


class RealTimeSettings(Strict):
    """Which core belongs to whom, and the SCHED_FIFO priorities of design §2."""

    gate_core: int = Field(default=0, ge=0)
    engine_core: int = Field(default=1, ge=0)
    gate_priority: int = Field(default=60, ge=1, le=98)
    engine_priority: int = Field(default=50, ge=26, le=97)  # above 25: the vendor SDK's own grab thread (facts: RR 25)


class Station(Strict):
    """The whole file."""

    name: str = Field(pattern=NAME)
    mode: Mode = Mode.AUTO
    allow_provisional: bool = Field(
        default=False,
        description="AUTO although limits are provisional or no certificate is there; stays on every banner",
    )

    @field_validator("mode")
    @classmethod
    def lasting(cls, mode: Mode) -> Mode:
        """SETUP and BYPASS need the PLC's key and a time."""
        if mode in (Mode.SETUP, Mode.BYPASS):
            raise ValueError(f"{mode} is asked for while the station runs: `jidoka station mode {mode}`")
        return mode

    recipe: str = Field(pattern=NAME, description="folder under recipes/ that is active at start")
    cameras: list[CameraSettings] = Field(min_length=1)
    lights: dict[Name, LightSettings] = Field(default_factory=dict)
    plc: PlcSettings
    web: WebSettings = WebSettings()
    pictures: PictureSettings = PictureSettings()
    recording: RecordingSettings = RecordingSettings()
    real_time: RealTimeSettings = RealTimeSettings()


def read_station(path: Path) -> Station:
    """The station at `path`. Raises SettingsError naming the field."""
    station = read(path, Station)
    names = [camera.name for camera in station.cameras]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SettingsError(
            f"{path}: cameras: name {sorted(twice)[0]!r} is there twice", "give each camera its own name"
        )
    ports = [light.uri for light in station.lights.values()]
    if doubled := [uri for n, uri in enumerate(ports) if uri in ports[:n]]:
        raise SettingsError(f"{path}: lights: uri {doubled[0]!r} is there twice", "one [lights.NAME] each")
    return station


class StateFolder:
    """Where a station keeps what it must not lose, and its runtime files (design §7)."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.run = self.root / "run"
        self.live = self.run / "live"  # pictures of the last parts, for the page
        self.ledger = self.root / "ledger.sqlite"
        self.station_db = self.root / "station.sqlite"  # audit trail
        self.pictures = self.root / "pictures"
        self.recordings = self.root / "recordings"  # the last pictures, as somebody or an alarm asked for them
        self.packages = self.root / "packages"
        self.logs = self.root / "logs"
        self.trust = self.root / "trust"
        self.certificates = self.root / "certificates"  # of recipes, for this machine
        self.endpoints = self.run / "endpoints.json"
        self.station_file = self.run / "station_file"  # text: the station.toml that `jidoka run` was given
        self.station_now = self.run / "station.toml"  # as it was then: all processes of this run see the same

    def make(self) -> None:
        """Create what is missing. Raises SettingsError."""
        try:
            for folder in (self.live, self.pictures, self.packages, self.logs, self.trust):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise SettingsError(f"state folder {self.root}: {err.strerror}", "choose a writable --state") from err

    def socket(self, process: str) -> Path:
        """Where `process` listens."""
        return self.run / f"{process}.sock"

    def station(self) -> tuple[Station, Path]:
        """The settings this state folder runs with, and the folder they came from. Raises SettingsError."""
        try:
            path = Path(self.station_file.read_text(encoding="utf-8"))
            self.station_now.stat()
        except OSError as err:
            raise SettingsError(
                f"state folder {self.root}: no station was started here", "jidoka run STATION.toml"
            ) from err
        return read_station(self.station_now), path.parent

    def use(self, station_file: Path) -> None:
        """From now on this station runs here. Raises SettingsError."""
        try:
            replace(self.station_now, station_file.read_bytes())
            replace(self.station_file, str(station_file.resolve()).encode())
        except OSError as err:
            raise SettingsError(f"state folder {self.root}: {err.strerror}", "free disk space") from err
