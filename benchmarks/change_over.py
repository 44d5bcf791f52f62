"""How long a change-over takes: the PLC's RECIPE_REQ → RECIPE_ACTIVE, and → the first verdict by the new recipe.

Two recipes of the same package, taken over between parts, once with the same camera settings and once with another
exposure. All times are of a second Modbus client that reads both headers all the time, and of the machine's account.
"""

import argparse
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from benchmarks import rig
from benchmarks.restarts import figures
from benchmarks.rig import Edit, Line, PlcView, Rig, Toml, load, seconds, utc_s
from plc_io import signals

EVERY = 6  # parts between two change-overs
EXPOSURES_US = (1000.0, 2500.0)
LOOK_S = 0.001
AIM_S = 2.0


@dataclass(slots=True)
class Change:
    """One change-over. Seconds since the epoch, on the clock of the machine's account."""

    recipe: int
    asked: float
    active_s: float | None = None


class Recipes(PlcView):
    """Which recipe the PLC asks for, and which vision says is active."""

    def word(self, base: int, offset: int) -> int:
        """One register."""
        self.sock.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, base + offset, 1))
        data = b""
        while len(data) < 11:
            data += self.sock.recv(11 - len(data)) or b"\0" * 11
        return int(struct.unpack(">H", data[9:11])[0])

    def asked(self) -> int:
        """RECIPE_REQ."""
        return self.word(signals.PLC_BASE, signals.PLC_HEADER["RECIPE_REQ"].offset)

    def active(self) -> int:
        """RECIPE_ACTIVE."""
        return self.word(signals.VISION_BASE, signals.VISION_HEADER["RECIPE_ACTIVE"].offset)


def two_recipes(root: Path, exposures_us: tuple[float, float]) -> Edit:
    """The PLC is master of the recipe; number 2 is number 1 with an exposure of its own."""

    def edit(station: Toml, recipe: Toml) -> None:
        station["plc"]["recipe_master"] = "plc"
        recipe["cameras"] = {"top": {"exposure_us": exposures_us[0]}}
        second = {**recipe, "name": "second", "number": 2, "cameras": {"top": {"exposure_us": exposures_us[1]}}}
        folder = root / "recipes" / "second"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.toml").write_text(tomlkit.dumps(second))

    return edit


def watch(its: Rig) -> list[Change]:
    """Every change-over until the machine's last part."""
    assert its.line is not None
    plc, changes, asked = Recipes(its.machine_uri), list[Change](), 0
    try:
        while its.line.popen.poll() is None:
            if (now := plc.asked()) not in (0, asked):
                asked = now
                changes.append(Change(now, utc_s()))
            if changes and changes[-1].active_s is None and plc.active() == asked:
                changes[-1].active_s = utc_s() - changes[-1].asked
            time.sleep(LOOK_S)
    except (OSError, struct.error):  # the machine has ended
        pass
    finally:
        plc.close()
    return changes


def first_verdicts(changes: list[Change], account: list[Toml], ledger: list[Toml]) -> list[float]:
    """Seconds from each RECIPE_REQ until the machine took the first verdict by that recipe."""
    by_part = {row["plc"]["part_id"]: row["recipe"]["number"] for row in ledger if row["recipe"]}
    took = sorted(
        (seconds(row["triggered_utc"]) + row["consumed_ms"] / 1e3, by_part.get(row["part"]))
        for row in account
        if row["consumed_ms"] and row["verdict"] != "NOT_INSPECTED"
    )
    ends = [change.asked for change in changes[1:]] + [float("inf")]
    found = []
    for change, end in zip(changes, ends, strict=True):
        mine = [at for at, number in took if change.asked <= at < end and number == change.recipe]
        found += [mine[0] - change.asked] if mine else []
    return found


def main(words: list[str] | None = None) -> None:
    """Print one line for the same settings and one for another exposure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=50, help="change-overs of each kind")
    options.add_argument("--takt-s", type=float, default=0.2)
    asked = options.parse_args(words)
    parts = EVERY * (asked.times + 2)
    faults = tuple(f"recipe@{1 + EVERY * k}:{1 + k % 2}" for k in range(asked.times + 1))
    with tempfile.TemporaryDirectory(prefix="jidoka-bench-") as root:
        its = rig.teach(Path(root))
        for kind, exposures in (("same settings", (1000.0, 1000.0)), ("another exposure", EXPOSURES_US)):
            its = rig.again(its)
            edit = two_recipes(its.folder.root, exposures)
            with rig.running(its, Line(parts, asked.takt_s, deadline_ms=150, faults=faults, edit=edit)):
                changes = watch(its)
                its.finished(within_s=30)
            account, ledger, result = its.accounts()
            real = [change for change in changes[1:] if change.active_s is not None]  # the first one asks for what is
            first = first_verdicts(changes, account, ledger)[1:]
            exposed = {one["exposure_us"] for row in ledger for one in row["pictures"]}
            active = figures([change.active_s for change in real if change.active_s is not None])
            print(f"{kind}, {len(real)} of {len(changes) - 1} change-overs, takt {asked.takt_s} s, s p50 / max: "
                  f"RECIPE_REQ → RECIPE_ACTIVE {active} (aim {AIM_S:g}); → first verdict by it {figures(first)}; "
                  f"exposures seen {sorted(exposed)} µs; not inspected {result['not_inspected'] or 'none'}; "
                  f"reconciled {result['reconciled']}; {load()}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
