"""The command line: names and options of every command. Each one imports what it needs and calls one function."""

import json as jsonlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from vocabulary import InspectionError, SettingsError

if TYPE_CHECKING:
    from training.placement import Followed

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
package_app = typer.Typer(no_args_is_help=True, help="Model packages.")
camera_app = typer.Typer(no_args_is_help=True, help="Cameras.")
light_app = typer.Typer(no_args_is_help=True, help="Lights.")
plc_app = typer.Typer(no_args_is_help=True, help="The link to the machine.")
ledger_app = typer.Typer(no_args_is_help=True, help="The ledger.")
recipe_app = typer.Typer(no_args_is_help=True, help="Recipes.")
station_app = typer.Typer(no_args_is_help=True, help="A running station: mode, alarms, recipe, forcing; all audited.")
app.add_typer(package_app, name="package")
app.add_typer(camera_app, name="camera")
app.add_typer(light_app, name="light")
app.add_typer(plc_app, name="plc")
app.add_typer(ledger_app, name="ledger")
app.add_typer(recipe_app, name="recipe")
app.add_typer(station_app, name="station")

AsJson = Annotated[bool, typer.Option("--json", help="The last line of stdout is the result as JSON.")]
State = Annotated[Path, typer.Option("--state", help="State folder: ledger, pictures, keys, runtime files.")]
STATE = Path("state")
REGION = Annotated[str | None, typer.Option("--region", help="x,y,width,height of the pictures' part to look at.")]
FOLLOW = Annotated[Path | None, typer.Option("--follow", help="Placement reference: the region follows the part.")]
LOCATE_PX = Annotated[int, typer.Option(min=1, help="With --follow: how far a part may lie off, as in the recipe.")]
Inherited = Annotated[int | None, typer.Option(hidden=True, help="A descriptor of the supervisor.")]


def show(result: dict[str, Any], as_json: bool, text: str = "") -> None:
    """The result: one JSON line, or words."""
    if as_json:
        print(jsonlib.dumps(result))
    else:
        print(text or "\n".join(f"{key}: {value}" for key, value in result.items()))


def box(region: str | None, option: str = "--region") -> tuple[int, int, int, int] | None:
    """A region as numbers. Raises SettingsError."""
    if region is None:
        return None
    numbers = [int(word) if word.strip().isascii() and word.strip().isdigit() else -1 for word in region.split(",")]
    if len(numbers) != 4 or min(numbers) < 0 or min(numbers[2:]) < 1:
        raise SettingsError(f"{option} {region!r}", "x,y,width,height in whole pixels, e.g. 40,0,120,120")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def followed(reference: Path | None, region: str | None, locate_px: int) -> "Followed | None":
    """`--follow` as an object. Raises SettingsError."""
    from training.placement import Followed

    if reference is not None and region is None:
        raise SettingsError(f"--follow {reference}", "name the --region that follows the part")
    return Followed(reference, locate_px) if reference else None


def progress(what: str, share: float) -> None:
    """Progress on stderr."""
    print(f"\r{what} {share:4.0%} ", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


@app.command()
def demo(
    parts: Annotated[int | None, typer.Option(min=1, help="End by itself after so many parts.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Don't invite to the page; needs --parts.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any.")] = 8470,
    takt_s: Annotated[float, typer.Option(min=0.05, help="Seconds between parts.")] = 0.5,
    state: State = Path("demo-state"),
    seed: int = 1,
    fault: Annotated[list[str] | None, typer.Option(help="Scripted fault of the machine, e.g. swap@20.")] = None,
    camera: Annotated[str | None, typer.Option(help="URI: learn and inspect what stands before this camera.")] = None,
    json: AsJson = False,
) -> None:
    """The whole station here, on real pictures of solar cells, or on a camera of yours."""
    from edge.demo import demo as run_demo
    from edge.demo import table

    if headless and parts is None:
        raise SettingsError("--headless", "say with --parts when to end")
    result = run_demo(
        parts=parts,
        port=port,
        takt_s=takt_s,
        state=state,
        seed=seed,
        faults=fault or [],
        camera=camera,
        cli=[sys.executable, "-P", "-m", "cli"],
    )
    show(result, json, table(result))
    raise typer.Exit(0 if result["passed"] else 1)


@app.command()
def run(station: Path, state: State = STATE) -> None:
    """The station, until SIGTERM."""
    from edge.settings import StateFolder
    from edge.supervisor import run as supervise

    supervise(station, StateFolder(state))


@app.command()
def doctor(
    station: Annotated[Path | None, typer.Argument(help="station.toml; without it the machine alone.")] = None,
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """What is wrong here, and the remedy: rights, timing, disk, clock, recipes, cameras, PLC."""
    from edge.doctor import examine, table
    from edge.settings import StateFolder

    result = examine(station, StateFolder(state))
    show(result, json, table(result))
    raise typer.Exit(0 if result["passed"] else 1)


@app.command()
def process(name: str, state: State = STATE, fd: Inherited = None, progress_fd: Inherited = None) -> None:
    """One process of a station whose state folder exists: gate, engine, recorder or web."""
    from edge.realtime import give_way, hurry

    give_way(name)
    if name in ("gate", "engine"):
        hurry(helpers_stay_normal=name == "engine")
    from edge.process import Progress, only_one
    from edge.settings import StateFolder

    folder = StateFolder(state)
    folder.make()
    _lock, progress = only_one(folder, name), Progress(progress_fd)  # the lock is held until this process ends
    if name == "gate":
        from edge.gate.loop import run as run_gate

        return run_gate(folder, progress, fd)
    if name == "engine":
        from edge.engine.loop import run as run_process
    elif name == "recorder":
        from edge.recorder.loop import run as run_process
    elif name == "web":
        from edge.web.main import run as run_web

        return run_web(folder, progress, fd)
    else:
        raise SettingsError(f"process {name!r}", "one of gate, engine, recorder, web")
    return run_process(folder, progress)


@app.command()
def teach(
    data: Annotated[
        Path, typer.Option(help="Folder, dataset.csv or COCO file; good pictures of subset=train are used.")
    ],
    out: Annotated[Path, typer.Option(help="The package to write.")],
    method: str = "auto",
    name: str | None = None,
    overkill: Annotated[float, typer.Option(help="Share of good parts that may be rejected.")] = 0.01,
    region: REGION = None,
    follow: FOLLOW = None,
    locate_px: LOCATE_PX = 40,
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """A package from good pictures: CPU, no torch."""
    from training.teach import teach as run_teach

    result = run_teach(
        data,
        out,
        method=method,
        state=state,
        name=name,
        progress=progress,
        overkill=overkill,
        region=box(region),
        followed=followed(follow, region, locate_px),
    )
    show(result, json)


@app.command()
def evaluate(
    package: Path,
    data: Annotated[Path, typer.Option()],
    subset: str = "test",
    trust: Annotated[Path | None, typer.Option(help="Folder of trusted public keys.")] = None,
    region: REGION = None,
    follow: FOLLOW = None,
    locate_px: LOCATE_PX = 40,
    json: Annotated[Path | None, typer.Option("--json", help="File for the result.")] = None,
) -> None:
    """How well a package judges labelled pictures."""
    from training.evaluate import evaluate as run_evaluate

    if json is not None:
        json.touch()  # refused now, not after the work
    result = run_evaluate(package, data, subset, trust, box(region), followed(follow, region, locate_px))
    if json is not None:
        json.write_text(jsonlib.dumps(result, indent=1), encoding="utf-8")
    show({key: value for key, value in result.items() if key != "scores"}, as_json=False)


@app.command()
def inspect(
    package: Path,
    images: list[Path],
    trust: Path | None = None,
    region: REGION = None,
    follow: FOLLOW = None,
    locate_px: LOCATE_PX = 40,
    json: AsJson = False,
) -> None:
    """One verdict a line."""
    from training.inspect import inspect_files

    worst_code = 0
    for found in inspect_files(package, images, trust, box(region), followed(follow, region, locate_px)):
        show(found, json, f"{found['verdict']:<14}{found['path']}  {found['reason']}")
        worst_code |= found["verdict"] == "NOT_INSPECTED"
    raise typer.Exit(worst_code)


@app.command()
def bench(
    target: Annotated[Path, typer.Argument(help="A package, or a station.toml.")],
    runs: Annotated[int, typer.Option(min=100)] = 10_000,
    certify: Annotated[bool, typer.Option("--certify", help="Write certificates for the station's recipes.")] = False,
    margin_ms: Annotated[float | None, typer.Option(min=0, help="For exposure, transfer and the link.")] = None,
    state: State = STATE,
    json: Annotated[Path | None, typer.Option("--json", help="File for the result.")] = None,
) -> None:
    """How long a package or a recipe takes on this machine; --certify lets a fast enough recipe run in AUTO."""
    from edge.bench import bench as run_bench
    from edge.settings import StateFolder

    if json is not None:
        json.touch()
    result = run_bench(target, StateFolder(state), runs=runs, certify=certify, margin_ms=margin_ms, progress=progress)
    if json is not None:
        json.write_text(jsonlib.dumps(result, indent=1), encoding="utf-8")
    show(result, as_json=False)
    raise typer.Exit(0 if result.get("passed", True) else 1)


@recipe_app.command("placement")
def recipe_placement(
    data: Annotated[Path, typer.Option(help="Good pictures with one part each; those of subset=train are used.")],
    out: Annotated[Path, typer.Option(help="The reference to write, beside recipe.toml.")],
    empty: Annotated[Path | None, typer.Option(help="Folder with pictures of the empty nest.")] = None,
    json: AsJson = False,
) -> None:
    """Teach what one part in its place looks like; prints the recipe's lines."""
    from training.placement import teach_placement

    result = teach_placement(data, out, empty)
    show(result, json)


@recipe_app.command("health")
def recipe_health(
    data: Annotated[Path, typer.Option(help="Good pictures of one camera; those of subset=train are used.")],
    out: Annotated[Path, typer.Option(help="The reference to write, beside recipe.toml.")],
    patch: Annotated[str | None, typer.Option(help="x,y,width,height of a grey patch in every picture.")] = None,
    json: AsJson = False,
) -> None:
    """Teach what a camera's pictures look like: light, focus, blur; prints limits and the recipe's lines."""
    from training.health import teach_health

    result = teach_health(data, out, box(patch, "--patch"))
    show(result, json)


@package_app.command("show")
def package_show(package: Path, json: AsJson = False) -> None:
    """Method, input, limits, versions, licences."""
    from models.package import describe

    show(describe(package), json)


@package_app.command("verify")
def package_verify(package: Path, trust: Path | None = None, json: AsJson = False) -> None:
    """Whole, signed, loadable, and scoring here as where it was taught."""
    from models.validate import validate_in_child

    show(validate_in_child(package, trust), json)


@camera_app.command("list")
def camera_list(scheme: Annotated[str | None, typer.Argument()] = None, json: AsJson = False) -> None:
    """Cameras that can be found."""
    from dataclasses import asdict

    from camera_drivers.drivers import discover

    found = [asdict(info) for info in discover(scheme)]
    show({"cameras": found}, json, "\n".join(f"{one['uri']}  {one['model'] or ''}" for one in found) or "none found")


@camera_app.command("probe")
def camera_probe(uri: str, json: AsJson = False) -> None:
    """Open, read one living value, close."""
    from dataclasses import asdict

    from camera_drivers.drivers import probe

    show(asdict(probe(uri)), json)


@camera_app.command("grab")
def camera_grab(
    uri: str, count: Annotated[int, typer.Option(min=1)] = 1, out: Path = Path("grabbed"), json: AsJson = False
) -> None:
    """Expose and save pictures; `sim:` also writes its ground truth as dataset.csv."""
    from camera_drivers.drivers import grab

    show(grab(uri, count, out), json)


@camera_app.command("check")
def camera_check(
    uri: str,
    triggers: Annotated[int, typer.Option(min=2, max=1_000_000)] = 1000,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Triggers a second; else one after another.")] = None,
    most_ms: Annotated[float | None, typer.Option(min=0, help="What p99.9 of trigger → picture may be.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, e.g. exposure_us=2000.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file for the folder of this camera.")] = None,
    json: AsJson = False,
) -> None:
    """Acceptance test at the bench: lost triggers, timing, brightness, focus, network; with a report."""
    from camera_drivers.check import check
    from camera_drivers.check_report import html, table
    from camera_drivers.drivers import bench_settings, camera

    asked = bench_settings(settings or [])
    if report is not None:
        report.touch()  # refused now, not after the work
    result = check(camera(uri, uri.partition(":")[0]), triggers, asked, rate, most_ms)
    if report is not None:
        report.write_text(html(result), encoding="utf-8")
    show(result, json, table(result))
    raise typer.Exit(0 if result["passed"] else 1)


@camera_app.command("record")
def camera_record(
    uri: str,
    count: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    out: Annotated[Path, typer.Option(help="A new folder; replay it as folder:OUT.")] = Path("recorded"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, e.g. exposure_us=2000.")] = None,
    json: AsJson = False,
) -> None:
    """Record frames without loss, with what the camera said of each (frames.csv)."""
    from camera_drivers.drivers import bench_settings, camera
    from camera_drivers.recording import record, write

    one = camera(uri, uri.partition(":")[0])
    frames = write(out, record(one, count, bench_settings(settings or [])))
    show({"frames": frames, "out": str(out)}, json)


@camera_app.command("calibrate")
def camera_calibrate(
    station: Path,
    name: Annotated[str, typer.Argument(help="A wired camera of the station, which must not run.")],
    parts: Annotated[int, typer.Option(min=3, help="Parts to send, one at a time on an empty belt.")] = 10,
    for_s: Annotated[float, typer.Option(min=1, help="How long to wait for them.")] = 600.0,
    quiet_s: Annotated[float, typer.Option(min=0.05, help="So long without anything: the belt is empty.")] = 1.0,
    write: Annotated[bool, typer.Option("--write", help="Put the offset into station.toml.")] = False,
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """How long, or how far, behind its trigger a wired camera exposes. Parts get no verdict meanwhile."""
    from edge.calibrate import calibrate, words
    from edge.settings import StateFolder

    folder = StateFolder(state)
    result = calibrate(station, name, folder, parts=parts, for_s=for_s, quiet_s=quiet_s, write=write, progress=progress)
    show(result, json, words(result))
    raise typer.Exit(0 if result["passed"] else 1)


@light_app.command("probe")
def light_probe(uri: str, json: AsJson = False) -> None:
    """Who the controller is and what each channel does; changes nothing."""
    from camera_drivers.lights import probe, table

    found = probe(uri)
    show(found, json, table(found))


@light_app.command("set")
def light_set(
    uri: str,
    channel: Annotated[int, typer.Argument(min=1)],
    off: Annotated[bool, typer.Option("--off", help="Dark, whatever triggers come.")] = False,
    percent: Annotated[float | None, typer.Option(help="Of the light's rated current.")] = None,
    pulse_us: float | None = None,
    delay_us: Annotated[float | None, typer.Option(help="From the trigger edge to the pulse.")] = None,
    period_us: Annotated[float | None, typer.Option(help="Least time between two triggers.")] = None,
    duty_limit_percent: Annotated[float, typer.Option(help="Of the LEDs, from their data sheet.")] = 100,
    json: AsJson = False,
) -> None:
    """One channel at the bench, read back and compared: a pulse for each trigger, or dark."""
    from dataclasses import asdict

    from camera_drivers.lights import Strobe, set_channel

    asked = {"--percent": percent, "--pulse-us": pulse_us, "--delay-us": delay_us, "--period-us": period_us}
    given = [value for value in asked.values() if value is not None]
    if off and given:
        raise SettingsError("--off", "without a pulse")
    if not off and len(given) < len(asked):
        missing = next(option for option, value in asked.items() if value is None)
        raise SettingsError(missing, f"say {', '.join(asked)}, or --off")
    strobe = None if off else Strobe(given[0], given[1], given[2], given[3], duty_limit_percent)
    show(asdict(set_channel(uri, channel, strobe)), json)


@plc_app.command("map")
def plc_map(format: Annotated[str, typer.Option(help="table, json or st")] = "table") -> None:
    """The signal map, for the controls engineer."""
    from plc_io import tag_maps

    forms = {"table": tag_maps.table, "json": tag_maps.as_json, "st": tag_maps.structured_text}
    if format not in forms:
        raise SettingsError(f"--format {format!r}", "one of table, json, st")
    print(forms[format]())


@plc_app.command("simulate")
def plc_simulate(
    uri: str,
    account: Annotated[Path, typer.Option(help="The machine's account: one JSON line per part.")],
    plan: Annotated[Path | None, typer.Option(help="dataset.csv of the parts that come, in order.")] = None,
    stage: Annotated[Path | None, typer.Option(help="Folder that is what the camera sees.")] = None,
    stage_at: Annotated[list[str] | None, typer.Option(help="COUNTS:DIR: what a camera further along sees.")] = None,
    wire: Annotated[Path | None, typer.Option(help="Socket of a simwire: camera that the part sensor fires.")] = None,
    wire_after_s: Annotated[float, typer.Option(min=0, help="Belt time from the part sensor to that edge.")] = 0.0,
    parts: int | None = None,
    takt_s: float = 0.5,
    jitter: float = 0.0,
    travel_s: float = 1.0,
    deadline_ms: int = 200,
    scan_ms: float = 2,
    wait_ready_s: float | None = None,
    fault: list[str] | None = None,
    seed: int = 1,
    endpoints: Path | None = None,
    observe_key: bool = False,
    bypass_key: bool = False,
    allow_setup: bool = False,
    recheck_lane: bool = False,
    reset_after_s: Annotated[
        float | None, typer.Option(help="The operator presses reset so long after a stop.")
    ] = None,
    json: AsJson = False,
) -> None:
    """The machine: PLC, belt, rejecter, and its own account of every part."""
    from plc_io.simulate.machine import simulate

    show(
        simulate(
            uri, plan=plan, parts=parts, takt_s=takt_s, jitter=jitter, stage=stage, wire=wire, account=account,
            travel_s=travel_s, deadline_ms=deadline_ms, scan_ms=scan_ms, wait_ready_s=wait_ready_s,
            faults=fault or [], seed=seed, endpoints=endpoints, observe_key=observe_key,
            reset_after_s=reset_after_s, recheck_lane=recheck_lane, bypass_key=bypass_key, allow_setup=allow_setup,
            further=stage_at or [], wire_after_s=wire_after_s,
        ),
        json,
    )  # fmt: skip


@ledger_app.command("verify")
def ledger_verify(
    ledger: Path,
    head: Annotated[str | None, typer.Option(help="A head noted elsewhere: finds rows cut off the end.")] = None,
    json: AsJson = False,
) -> None:
    """Walk the whole chain of hashes; did any part leave otherwise than it was told?"""
    from edge.recorder.verify import verify

    result = verify(ledger, head)
    show(result, json)
    raise typer.Exit(1 if result["problem_count"] else 0)


@ledger_app.command("export")
def ledger_export(ledger: Path, out: Path = Path("ledger.jsonl"), json: AsJson = False) -> None:
    """All rows with their hashes (.jsonl), or a line per part (.csv)."""
    from edge.recorder.verify import export

    show(export(ledger, out), json)


@ledger_app.command("pictures")
def ledger_pictures(state: Path, json: AsJson = False) -> None:
    """Is every kept picture there, and are its pixels those that the ledger names?"""
    from edge.recorder.scan import check_pictures

    result = check_pictures(state)
    lines = [f"{one['fault']}: {one['sha256']}" for one in result["faults"]]
    lines += [f"no row knows {path}" for path in result["orphans"]]
    show(result, json, "\n".join([*lines, f"{result['pictures']} pictures, {len(result['faults'])} faults"]))
    raise typer.Exit(0 if result["whole"] else 1)


@ledger_app.command("reconcile")
def ledger_reconcile(
    ledger: Path,
    account: Annotated[Path | None, typer.Option(help="The machine's account, a JSON line per part.")] = None,
    json: AsJson = False,
) -> None:
    """Hold the ledger against the PLC's counters that it has, or part by part against the machine's own account."""
    from edge.recorder.verify import reconcile, reconcile_counters

    result = reconcile(ledger, account) if account else reconcile_counters(ledger)
    show(result, json)
    raise typer.Exit(0 if result["reconciled"] else 1)


WhyOption = Annotated[str, typer.Option("--why", help="For the audit trail.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who asks; without it the user of this shell.")]


def told(result: dict[str, Any], as_json: bool) -> NoReturn:
    """What came of a command."""
    show(result, as_json, result["text"])
    raise typer.Exit(0 if result["done"] else 1)


@station_app.command("status")
def station_status(state: State = STATE, json: AsJson = False) -> None:
    """Mode, READY or why not, alarms, what is forced."""
    from edge.command import status, status_text
    from edge.settings import StateFolder

    result = status(StateFolder(state))
    show(result, json, status_text(result))
    raise typer.Exit(0 if result["ready"] else 1)


@station_app.command("mode")
def station_mode(
    mode: Annotated[str, typer.Argument(help="OFFLINE, SETUP, OBSERVE, AUTO, BYPASS")],
    why: WhyOption,
    for_s: Annotated[float | None, typer.Option(help="SETUP (at most 1 h) and BYPASS (8 h) end by themselves.")] = None,
    who: WhoOption = "",
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """Who releases parts: SETUP and BYPASS need the PLC's key."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "mode", mode.upper(), for_s=for_s, why=why, who=who), json)


@station_app.command("force")
def station_force(
    signal: Annotated[str, typer.Argument(help="ready=on|off, fault=…, stop_request=…, verdict=NG|RECHECK|…")],
    why: WhyOption,
    for_s: Annotated[float, typer.Option(help="At most 600 s.")] = 60.0,
    who: WhoOption = "",
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """Hold a signal or the verdict at a value, in SETUP only; OK can't be forced."""
    from edge.command import command
    from edge.settings import StateFolder

    name, _, value = signal.partition("=")
    told(command(StateFolder(state), "force", name, value, for_s=for_s, why=why, who=who), json)


@station_app.command("release")
def station_release(
    why: WhyOption,
    signal: Annotated[str, typer.Argument(help="Without it: all.")] = "",
    who: WhoOption = "",
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """End forcing."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "release", signal, why=why, who=who), json)


@station_app.command("acknowledge")
def station_acknowledge(
    alarm: str, why: WhyOption, who: WhoOption = "", state: State = STATE, json: AsJson = False
) -> None:
    """An alarm was seen and somebody acts; what it holds or stops goes on."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "acknowledge", alarm, why=why, who=who), json)


@station_app.command("shelve")
def station_shelve(
    alarm: str,
    why: WhyOption,
    for_s: Annotated[float, typer.Option(help="At most 8 h; 0 brings it back now.")],
    who: WhoOption = "",
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """Hide an alarm for a while; not one of priority 1."""
    from edge.command import command
    from edge.settings import StateFolder

    what = "shelve" if for_s else "unshelve"
    told(command(StateFolder(state), what, alarm, for_s=for_s or None, why=why, who=who), json)


@station_app.command("recipe")
def station_recipe(name: str, why: WhyOption, who: WhoOption = "", state: State = STATE, json: AsJson = False) -> None:
    """Change over, where the station is master of the recipe."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "recipe", name, why=why, who=who), json)


@station_app.command("hold")
def station_hold(
    part: int,
    why: WhyOption,
    keep_as: Annotated[str, typer.Option("--as", help="HELD, GOLDEN; empty releases them.")] = "HELD",
    who: WhoOption = "",
    state: State = STATE,
    json: AsJson = False,
) -> None:
    """Keep a part's pictures whatever the budget says."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "hold", str(part), keep_as, why=why, who=who, to="recorder"), json)


@station_app.command("dump")
def station_dump(why: WhyOption, who: WhoOption = "", state: State = STATE, json: AsJson = False) -> None:
    """Write the last pictures of each camera to recordings/; replay them with folder:."""
    from edge.command import command
    from edge.settings import StateFolder

    told(command(StateFolder(state), "dump", why=why, who=who, to="recorder"), json)


@station_app.command("audit")
def station_audit(state: State = STATE, json: AsJson = False) -> None:
    """Who asked for what, when and why; the chain is verified."""
    from edge.command import audit_rows
    from edge.settings import StateFolder

    result = audit_rows(StateFolder(state))
    lines = [
        f"{row['entry']:>5} {row['utc']} {row['who']}: {row['what']} {row.get('name', '')} {row.get('value', '')}"
        f" {row.get('why', row.get('text', ''))}"
        for row in result["rows"]
    ]
    show(result, json, "\n".join(lines))


def refuse_foreign_datasets() -> None:
    """`datasets` is also a popular library's name: refuse to run on the wrong one."""
    import importlib.util

    spec = importlib.util.find_spec("datasets")
    here = Path(__file__).resolve().parent / "datasets" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != here:
        raise SettingsError(
            f"datasets: another package of that name comes first ({spec.origin if spec else 'none found'})",
            "install Jidoka in a virtual environment of its own",
        )


def main() -> NoReturn:
    """Run a command; errors are one line with the remedy. Exit code 0 fine, 1 bad result, 2 misuse."""
    try:
        refuse_foreign_datasets()
        app()
    except InspectionError as err:
        print(f"jidoka: {err}", file=sys.stderr)
        sys.exit(2 if isinstance(err, SettingsError) else 1)
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)
    except OSError as err:
        print(f"jidoka: {err.filename or 'input/output'}: {err.strerror or err}: check the path", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


if __name__ == "__main__":
    main()
