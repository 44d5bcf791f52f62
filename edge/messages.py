"""Everything the station's processes say to one another; the only place where a message is defined.

Each message carries the sender's epoch (new at each start of that process) and, where order matters, a sequence. The
version is exchanged once, in `Hello`. Times are CLOCK_MONOTONIC nanoseconds, which all processes of a machine share.
"""

from typing import Any, TypeAlias

import msgspec

VERSION = 4


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all messages: tagged by class name, so one decoder reads them all."""


class Why(msgspec.Struct, frozen=True, array_like=True):
    """A vocabulary.Reason on the wire."""

    code: str
    text: str


class ReactionRule(msgspec.Struct, frozen=True, array_like=True):
    """`count` of the last `within` parts: then `do`. A recipe's words, see edge/recipe.py."""

    on: str  # a verdict, or escape_seen, unknown_part, reject_after_ok, unconfirmed, counter_mismatch
    count: int
    within: int
    do: str  # alarm, hold (READY off), stop (READY off, and the PLC is asked to stop)
    plan: str = ""  # what to do, in the plant's own words


class AlarmState(msgspec.Struct, frozen=True, array_like=True):
    """One alarm as it stands, see edge/gate/alarms.py."""

    key: str
    priority: int  # 1 at once, 2 within the hour, 3 within the shift
    text: str
    action: str  # the reaction plan
    state: str
    latched: bool
    raised_ns: int
    raised_utc: str
    until_ns: int | None  # of a shelved one
    by: str  # who acknowledged or shelved it


class Hello(Message, frozen=True):
    """First word of whoever connects."""

    role: str  # "gate", "engine", "web", "command"
    epoch: int
    pid: int
    version: int = VERSION


# ── gate ↔ engine ────────────────────────────────────────────────────────────────────────────────────────────────────
class Inspect(Message, frozen=True):
    """Gate → engine: look at this part now. Never sent to an engine that still owes an answer."""

    epoch: int
    part: int  # our number, unique for ever
    look: int  # the cameras at this place, encoder counts behind the part sensor
    cameras: list[str]
    recipe: int | None  # as latched by the PLC at the trigger; None: the station is master of the recipe
    plc_epoch: int
    trigger: int  # number of the trigger in this PLC epoch; every trigger counts, also those that are not asked
    encoder: int | None  # of the belt when the part was before these cameras
    earliest_ns: int  # it was not there before this
    seen_ns: int
    expose_by_ns: int  # an exposure that starts later may show the next part: answer NOT_INSPECTED instead
    deadline_ns: int
    spare: bool = True  # time for what the verdict does not need: False, an OK part's pictures stay at home


class Picture(Message, frozen=True):
    """Which pixels were judged."""

    camera: str
    sha256: str  # of the raw pixels, see vocabulary.picture_hash
    width: int
    height: int
    channels: int
    exposed_ns: int
    arrived_ns: int
    clock: str
    device_frame_id: int | None
    exposure_us: float | None
    gain_db: float | None
    lost_before: int
    health: dict[str, float] = {}  # figures of models/frame_health.py; empty: the recipe asks for none


class ToolResult(Message, frozen=True):
    """What one tool of the recipe found on one picture."""

    tool: str
    camera: str
    package: str  # content address
    verdict: str
    region: tuple[int, int, int, int] | None  # x, y, width, height; None: the whole picture
    defect_class: str  # what it looks for
    severity: str
    score: float | None
    limit: float | None
    recheck: float | None
    findings: list[tuple[int, int, int, int, float]]  # x, y, width, height in picture pixels, score
    health: dict[str, float]


class Inspected(Message, frozen=True):
    """Engine → gate: the one answer to an Inspect."""

    epoch: int  # the gate's, echoed
    part: int
    look: int  # echoed
    verdict: str
    score: float | None  # of the tool that is farthest above its limit, or nearest below
    defect_class: int  # number of the worst defect's class; 0: none
    reasons: list[Why]
    recipe: str
    recipe_number: int
    recipe_sha256: str  # of its file
    pictures: list[Picture]
    tools: list[ToolResult]
    laps_ns: dict[str, int]  # lap name → monotonic time at its end, in order


class Ping(Message, frozen=True):
    """Gate → engine: is your main loop alive?"""

    epoch: int
    sequence: int


class RecipeState(msgspec.Struct, frozen=True, array_like=True):
    """What the gate needs to know of one recipe."""

    name: str
    sha256: str  # of its file
    unproven: list[Why]  # what AUTO lacks: evidence behind the limits, a certificate for this machine
    notes: list[Why]  # what is not as the recipe says
    takt_s: float
    deadline_ms: float
    exposure_window_ms: float
    reactions: list[ReactionRule]
    recheck_lane: bool
    most_attempts: int
    least_spacing_counts: int | None
    cameras: list[str]  # that look at each part
    proven_ms: float  # the shortest deadline that its certificate proves; 0: it has none
    shed_below_ms: float  # a waiting part with less time left is shed; 0: none is
    shed_ok_pictures: bool  # while the engine is behind


class EngineRecipes(Message, frozen=True):
    """Engine → gate, once after its Hello: every recipe that can be activated, by number."""

    epoch: int
    recipes: dict[int, RecipeState]


class EngineState(Message, frozen=True):
    """Engine → gate: answered from the main loop, after each ping and at each change."""

    epoch: int
    sequence: int  # of the ping answered; 0: unasked
    unmet: list[Why]  # empty: ready
    recipe: int  # the active one's number
    degraded: list[str]  # real-time rights that are missing
    notes: list[Why] = []  # what is on its way to become a reason


class ChangeOver(Message, frozen=True):
    """Gate → engine, between parts: make this recipe the active one. The answer is an `EngineState`."""

    epoch: int
    recipe: int


# ── people → gate ────────────────────────────────────────────────────────────────────────────────────────────────────
LONGEST = 500  # characters of each word of a command: they go into ledger and audit trail


class Command(Message, frozen=True):
    """A page or the command line → gate: do this between parts. Its row in the audit trail is on disk already."""

    sequence: int  # of the sender
    audit: int  # entry in station.sqlite
    audit_hash: str  # of that entry: the ledger names it, so that nobody shortens the trail unseen
    who: str
    what: str  # mode, force, release, acknowledge, shelve, unshelve, recipe
    name: str  # mode, signal, alarm key or recipe
    value: str
    for_s: float | None
    why: str

    def trail(self) -> dict[str, Any]:
        """Its row in the audit trail, as the ledger names it."""
        return {"audit": self.audit, "audit_hash": self.audit_hash}


class Commanded(Message, frozen=True):
    """Gate → who sent the command."""

    sequence: int
    done: bool
    text: str


# ── gate, engine → recorder ──────────────────────────────────────────────────────────────────────────────────────────
class Welcome(Message, frozen=True):
    """Recorder → gate, once: where the ledger stands. Part numbers first … last are reserved durably for this gate."""

    first: int
    last: int
    plc_epoch: int | None  # of the last part row; None: the ledger has no part yet
    number: int
    parts: int
    missing: list[tuple[int, int]]  # (trigger number, parts counter) of this PLC epoch that have no row
    confirmed: int | None  # sequence of this PLC epoch's last confirmation that has a row
    presented: list[tuple[int, int, int, str]]  # last parts of this PLC epoch: id, our first number, attempts, judged
    belt: list[tuple[int, str]]  # parts that no sensor saw leave yet, in belt order: PLC's id, verdict or HOLD
    mode: str | None  # that somebody asked for last, of those that last; None: station.toml's
    recipe: int | None  # the same
    latched: list[dict[str, Any]]  # alarm_raised rows of what nobody has acknowledged


class Reserve(Message, frozen=True):
    """Gate → recorder: part numbers run low. The answer is `Reserved`."""

    epoch: int


class Reserved(Message, frozen=True):
    """Recorder → gate: these numbers are durably yours."""

    first: int
    last: int


class Record(Message, frozen=True):
    """Gate → recorder: one ledger row. Sent before the PLC is told, again until `Committed` names it."""

    epoch: int
    sequence: int  # +1 per record of this gate
    kind: str  # part, confirmation, late_result, event
    part: int | None
    body: dict[str, Any]


class Committed(Message, frozen=True):
    """Recorder → gate: every record up to this sequence is on disk."""

    epoch: int
    sequence: int


class RecorderState(Message, frozen=True):
    """Recorder → gate at each change: what every page shows while it is true."""

    epoch: int
    notes: list[Why]


class FrameRing(Message, frozen=True):
    """Engine → recorder, with the ring's file descriptor: `slots` pictures of at most `slot_bytes`."""

    epoch: int
    slots: int
    slot_bytes: int


class FrameReady(Message, frozen=True):
    """Engine → recorder: a judged picture lies in this slot until the recorder releases it."""

    epoch: int
    part: int
    slot: int
    generation: int
    picture: Picture
    verdict: str
    map_shape: tuple[int, int] | None
    map_f32: bytes  # (h, w) float32, row by row; empty without a map


class PicturesDropped(Message, frozen=True):
    """Engine → recorder: pictures that it could not hand over. The answer is `PicturesNamed`."""

    epoch: int
    sequence: int  # +1 per PicturesDropped and PicturesHanded
    why: str  # no_slot, too_large, recorder_absent, recorder_behind
    parts: list[int]  # the first of them
    count: int


class PicturesHanded(Message, frozen=True):
    """Engine → another recorder: what the one before was given last. What of it is not there died with that one."""

    epoch: int
    sequence: int
    pictures: list[tuple[int, str, str]]  # part, SHA-256, verdict


class PicturesNamed(Message, frozen=True):
    """Recorder → engine: what it was told of lost pictures up to this sequence is in rows on disk."""

    epoch: int
    sequence: int


class Release(Message, frozen=True):
    """Recorder → engine: the slot may be written again."""

    epoch: int
    slot: int
    generation: int


# ── gate, recorder → web ─────────────────────────────────────────────────────────────────────────────────────────────
class GateState(Message, frozen=True):
    """Gate → web, about ten times a second: what the whole station is doing now."""

    epoch: int
    sequence: int
    now_ns: int
    mode: str
    wanted_mode: str
    ready: bool
    unmet: list[Why]  # in order of importance; the first one is shown with its remedy
    banner: list[Why]  # what stays on every page while it is true, e.g. allow_provisional
    recipe: str
    recipe_number: int
    plc: dict[str, Any]  # link, counters, context as the PLC tells them
    counts: dict[str, int]  # verdicts since the gate started, plus misses, late, refused
    takt_s: float
    deadline_ms: float
    alarms: list[AlarmState]
    forced: dict[str, str]  # signal → value
    mode_left_s: float | None  # until SETUP or BYPASS ends
    recipes: dict[int, str]


class Live(Message, frozen=True):
    """Recorder → web: one part, as recorded. Pictures are files in the live folder, named by their hash."""

    sequence: int
    now_ns: int
    body: dict[str, Any]  # the ledger row's body
    picture: str | None  # sha256 of the first picture, present in `run/live/` for a while
    map_shape: tuple[int, int] | None
    map_f32: bytes
    shift: dict[str, int]  # verdict counts of the ledger since the recorder started, by verdict
    not_kept: int  # pictures that should have been kept, since the recorder started
    commit_us: int  # how long the commit of its group took


Any_: TypeAlias = (
    Hello | Inspect | Inspected | Ping | ChangeOver | Command | Commanded
    | EngineRecipes | EngineState | Welcome | Reserve | Reserved | Record | Committed
    | RecorderState | FrameRing | FrameReady | PicturesDropped | PicturesHanded | PicturesNamed | Release
    | GateState | Live
)  # fmt: skip
