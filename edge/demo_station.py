"""What the demo shows, and the station that a person would write for it.

Pictures: PyPI package `elpv-dataset` (electroluminescence of solar cells, CC BY-NC-SA 4.0; Buerhop-Lutz et al. 2018),
read where it is installed; or whatever stands before a camera that is there.
"""

import csv
import importlib.util
import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from edge.settings import StateFolder
from vocabulary import SettingsError

TAUGHT = 40  # good pictures
BLOCK = 100  # cells; a module has 60 or 72
NG_SHARE = 0.4  # of the parts that come: enough of both to bound both errors
DEADLINE_MS = 200
WAITS = 0.8  # of a line cycle, for a camera that is there: network cameras take 40 to 150 ms to answer (measured)
LATENCY_MS = 150.0  # of a camera that runs free; assumed here, measured on a real station
TRANSPORT_MS = 30  # the machine here shares two cores with all the rest

Settings = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What comes past the camera."""

    name: str
    product: str
    camera: str  # uri
    settings: Settings
    taught: Path  # folder or dataset.csv of good pictures
    plan: Path | None  # dataset.csv of the parts that come; None: nobody puts anything before the camera
    deadline_ms: int


def cells(folder: StateFolder, seed: int) -> Shown:
    """Monocrystalline solar cells, surely good (0) or surely bad (1), before the emulated camera.

    The numbering follows the modules. Blocks of BLOCK numbers are taught or inspected in turn, so that hardly any
    module is on both sides: random choice would flatter.
    """
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise SettingsError("demo: pictures: package elpv-dataset is missing", "pip install 'jidoka[demo]'")
    data = Path(spec.origin).parent / "data"
    rows = [line.split() for line in (data / "labels.csv").read_text().splitlines() if line.strip()]
    cells = [
        (number // BLOCK % 2, data / path, float(p))
        for number, (path, p, kind) in enumerate(rows)
        if kind == "mono" and float(p) in (0.0, 1.0)
    ]
    chance = random.Random(seed)  # noqa: S311  a choice of pictures, not a secret
    taught = chance.sample([path for block, path, p in cells if block == 0 and p == 0], TAUGHT)
    good = [path for block, path, p in cells if block == 1 and p == 0]
    bad = [path for block, path, p in cells if block == 1 and p == 1]
    count = min(int(len(good) / (1 - NG_SHARE)), int(len(bad) / NG_SHARE))
    coming = [(path, "ng") for path in chance.sample(bad, int(count * NG_SHARE))]
    coming += [(path, "ok") for path in chance.sample(good, count - len(coming))]
    chance.shuffle(coming)
    size: Settings = {"exposure_us": 1000.0, "pixel_format": "Mono8", "width": 300, "height": 300}
    return Shown(
        name="solar-cell",
        product="Monocrystalline solar cell, electroluminescence",
        camera="basler:",
        settings={**size, "image_folder": str(folder.root / "stage")},
        taught=write_csv(folder.root / "taught.csv", [(path, "ok", "train") for path in taught]),
        plan=write_csv(folder.root / "parts.csv", [(path, label, "test") for path, label in coming]),
        deadline_ms=DEADLINE_MS,
    )


def whatever_is_there(folder: StateFolder, camera: str, takt_s: float, cli: list[str]) -> Shown:
    """What stands before a camera, taken as good: the whole station runs on it, and no verdict has a truth."""
    taught = folder.root / "taught"
    command = [*cli, "camera", "grab", camera, "--count", str(TAUGHT), "--out", str(taught), "--json"]
    grabbed = json.loads(call(command).splitlines()[-1])
    return Shown(
        name="whatever-is-there",
        product=f"what {camera} looks at",
        camera=camera,
        settings=grabbed["settings"] | ({"latency_ms": LATENCY_MS} if "latency_ms" in grabbed["settings"] else {}),
        taught=taught,
        plan=None,
        deadline_ms=int(WAITS * 1000 * takt_s),
    )


def write_csv(path: Path, rows: list[tuple[Path, str, str]]) -> Path:
    """A dataset.csv (design §11) of absolute paths."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "defect_type", "mask", "boxes", "split", "subset", "group", "extra"])
        table.writerows(
            [picture, label, "", "", "", "demo", subset, picture.stem, ""] for picture, label, subset in rows
        )
    return path


def write_station(folder: StateFolder, shown: Shown, plc: str, port: int, takt_s: float) -> Path:
    """The station.toml and recipe of the demo: what a person would write for this line."""
    camera = {"name": "top", "uri": shown.camera, "settings": shown.settings}
    station: dict[str, Any] = {
        "name": f"{shown.name}s" if shown.plan else shown.name,
        "mode": "AUTO",
        "allow_provisional": True,
        "recipe": shown.name,
        "cameras": [camera if shown.plan else camera | {"may_repeat": True}],
        "plc": {"uri": plc, "transport_ms": TRANSPORT_MS},
        "web": {"port": port},
    }
    deadline_ms = shown.deadline_ms - 20
    recipe = {
        "name": shown.name,
        "number": 1,
        "product": shown.product,
        "line": {"takt_s": takt_s, "deadline_ms": deadline_ms, "exposure_window_ms": 1000 * takt_s / 2}
        | {"least_spacing_counts": max(2, int(1000 * takt_s))},  # the simulated belt: 1,000 counts a second
        "tools": [{"name": "surface", "camera": "top", "package": f"../../packages/{shown.name}.jdk"}],
    }
    place = folder.root / "recipes" / shown.name
    place.mkdir(parents=True)
    (place / "recipe.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    path = folder.root / "station.toml"
    path.write_text(tomlkit.dumps(station), encoding="utf-8")
    return path


def call(command: list[str]) -> str:
    """The stdout of a command that must succeed; its errors go to our stderr. Raises SettingsError."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  our own command
    if done.returncode != 0:
        raise SettingsError(f"demo: {' '.join(command[2:5])} failed", "its reason stands above")
    return done.stdout
