"""A recipe's certificate: it was run so often on this very machine, and was fast enough. Checked when it is loaded."""

import os
from pathlib import Path

import msgspec
import onnxruntime

from edge.atomic import replace
from edge.engine.recipes import ReadyRecipe
from vocabulary import Reason, SettingsError

LEAST_RUNS = 10_000  # design §3: fewer say little about p99.9
FILES = ("recipe", "packages")  # told apart by hashes, which say nothing to a person


class Certificate(msgspec.Struct, frozen=True):
    """What was measured, and on what. Milliseconds: placement, picture health, models and decision of one part."""

    recipe: str
    sha256: str  # of the recipe's file
    packages: list[str]  # content addresses, in the order of the tools
    cpu: str
    engine: str
    precision: str  # of the packages, as their manifests say
    threads: int  # of each inference session
    policy: str  # scheduling, see realtime.policy
    runs: int
    deadline_ms: float
    margin_ms: float  # for exposure, transfer and the link
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    load: float  # of the machine while it was measured
    utc: str

    @property
    def fast_enough(self) -> bool:
        """p99.9 and the margin fit into the deadline."""
        return self.runs >= LEAST_RUNS and self.p999_ms + self.margin_ms <= self.deadline_ms


def path_of(folder: Path, recipe: str) -> Path:
    """Where a recipe's certificate lies."""
    return folder / f"{recipe}.json"


def write(folder: Path, certificate: Certificate) -> Path:
    """Put it in force. Raises SettingsError."""
    path = path_of(folder, certificate.recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, msgspec.json.format(msgspec.json.encode(certificate), indent=1))
    except OSError as err:
        raise SettingsError(f"{path}: {err.strerror}", "make the state folder writable") from err
    return path


def proven_ms(folder: Path, recipe: str) -> float:
    """The shortest deadline that a recipe's certificate proves; 0: there is none that can be read."""
    its = read(folder, recipe)
    return its.p999_ms + its.margin_ms if its else 0.0


def p999_ms(folder: Path, recipe: str) -> float:
    """Measured p99.9 of a recipe's certificate; 0: there is none that can be read."""
    its = read(folder, recipe)
    return its.p999_ms if its else 0.0


def read(folder: Path, recipe: str) -> Certificate | None:
    """A recipe's certificate, whatever it is worth; None: there is none that can be read."""
    try:
        return msgspec.json.decode(path_of(folder, recipe).read_bytes(), type=Certificate)
    except (OSError, msgspec.DecodeError):
        return None


def why_not(folder: Path, ready: ReadyRecipe, policy: str) -> Reason | None:
    """Why this recipe is not certified for this machine as it is now; None: it is.

    policy: how the kernel schedules the engine now, see realtime.policy.
    """
    path, remedy = path_of(folder, ready.loaded.recipe.name), "run `jidoka bench STATION.toml --certify`"
    try:
        its = msgspec.json.decode(path.read_bytes(), type=Certificate)
    except FileNotFoundError:
        return Reason("not_certified", f"no certificate for this recipe: {remedy}")
    except (OSError, msgspec.DecodeError) as err:
        return Reason("not_certified", f"{path.name}: {str(err)[:80]}: {remedy}")
    for what, certified, now in (
        ("recipe", its.sha256, ready.loaded.sha256),
        ("packages", its.packages, packages(ready)),
        ("CPU", its.cpu, cpu()),
        ("engine", its.engine, engine()),
        ("precision", its.precision, precision(ready)),
        ("number of threads", its.threads, threads(ready)),
        ("scheduling policy", its.policy, policy),
        ("deadline", its.deadline_ms, ready.loaded.recipe.line.deadline_ms),
    ):
        if certified != now:
            values = "" if what in FILES else f" ({certified}; it is {now})"
            return Reason("not_certified", f"certificate is for another {what}{values}: {remedy}")
    if not its.fast_enough:
        slow = f"p99.9 {its.p999_ms:.1f} ms + margin {its.margin_ms:.0f} ms, deadline {its.deadline_ms:.0f} ms"
        return Reason(
            "not_certified", f"too slow or too few runs ({slow}; {its.runs} runs): a smaller model, or {remedy}"
        )
    return None


def packages(ready: ReadyRecipe) -> list[str]:
    """Content addresses of what the recipe runs."""
    return [tool.runner.package.address for tool in ready.tools]


def precision(ready: ReadyRecipe) -> str:
    """Numeric precision of what the recipe runs, as its packages' manifests say."""
    found = {str(tool.runner.package.manifest.get("machine", {}).get("precision", "unknown")) for tool in ready.tools}
    return ", ".join(sorted(found))


def threads(ready: ReadyRecipe) -> int:
    """Of the inference session that takes most."""
    return max(tool.runner.threads for tool in ready.tools)


def engine() -> str:
    """The inference engine and its version."""
    return f"onnxruntime {onnxruntime.__version__}"


def cpu() -> str:
    """Model and number of processors, as the kernel names them."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else 'unknown'} x{os.cpu_count()}"
