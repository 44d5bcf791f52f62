"""What is kept, what is given up first, and whether kept pictures are still what the ledger names."""

import sqlite3
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.recorder import scan
from edge.recorder.archive import Archive
from edge.recorder.disk import Disk
from edge.recorder.ledger import Ledger
from edge.recorder.scan import Walk, check_pictures
from edge.settings import PictureSettings
from vocabulary import Image, Verdict, picture_hash

MB = 1_000_000


def noise(seed: int) -> Image:
    """About 1 MB as PNG: it can't be compressed."""
    return np.random.default_rng(seed).integers(0, 256, (1000, 1000), np.uint8)


class Kept:
    """An archive over a real ledger file."""

    def __init__(self, root: Path, **settings: object) -> None:
        (root / "pictures").mkdir()
        (root / "live").mkdir()
        self.root = root
        self.ledger = Ledger(root / "ledger.sqlite")
        wanted = PictureSettings.model_validate({"min_free_mb": 0, "ballast_mb": 0, "keep_ok_share": 1, **settings})
        self.archive = Archive(root / "pictures", root / "live", self.ledger.db, wanted, Disk(root, 0, 0))

    def store(self, seed: int, verdict: Verdict) -> str:
        image = noise(seed)
        job = self.archive.wanted(seed, image, picture_hash(image), verdict, show=False)
        assert job is not None
        self.archive.enter(self.archive.write(job))
        self.archive.clear()
        return picture_hash(image)

    def classes(self) -> dict[str, int]:
        return dict(self.ledger.db.execute("SELECT retention, COUNT(*) FROM picture GROUP BY retention"))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path, budget_mb=10)


def test_over_budget_ok_goes_first_then_not_inspected_and_held_never(kept: Kept) -> None:
    held = kept.store(0, Verdict.OK)
    assert kept.archive.hold([held], "HELD") == 1
    for seed in range(1, 5):
        kept.store(seed, Verdict.OK)
    for seed in range(5, 8):
        kept.store(seed, Verdict.NOT_INSPECTED)
    for seed in range(8, 18):
        kept.store(seed, Verdict.NG)
    assert kept.archive.used.total() <= 10 * MB
    classes = kept.classes()
    assert classes["HELD"] == 1
    assert "OK_SAMPLE" not in classes
    assert "NOT_INSPECTED" not in classes
    assert kept.archive.path(held).exists()
    assert len(list(kept.archive.folder.glob("*/*.png"))) == sum(classes.values())


def test_a_class_over_its_quota_pushes_out_none_of_another(tmp_path: Path) -> None:
    kept = Kept(tmp_path, budget_mb=100, quota_mb={"NOT_INSPECTED": 3})
    for seed in range(3):
        kept.store(seed, Verdict.NG)
    for seed in range(3, 13):
        kept.store(seed, Verdict.NOT_INSPECTED)
    assert kept.classes() == {"NG": 3, "NOT_INSPECTED": 2}


def test_a_wrong_quota_names_its_field() -> None:
    for quota in ({"HELD": 5}, {"NG": 0}):
        with pytest.raises(ValueError, match="quota_mb"):
            PictureSettings.model_validate({"quota_mb": quota})


def test_an_altered_a_missing_and_a_stray_picture_are_found(kept: Kept, tmp_path: Path) -> None:
    good, altered, missing = (kept.store(seed, Verdict.NG) for seed in range(3))
    assert check_pictures(tmp_path)["whole"]
    image = noise(1)
    image[500, 500] ^= 1
    cv2.imwrite(str(kept.archive.path(altered)), image)
    kept.archive.path(missing).unlink()
    stray = kept.archive.path(good).with_name("ff" * 32 + ".png")
    stray.write_bytes(b"x")
    found = check_pictures(tmp_path)
    assert {(one["sha256"], one["fault"]) for one in found["faults"]} == {
        (altered, "picture_altered"), (missing, "picture_missing"),
    }  # fmt: skip
    assert found["orphans"] == [str(stray)]
    assert not found["whole"]


def test_the_idle_walk_finds_each_fault_once_and_forgets_what_was_restored(kept: Kept) -> None:
    pictures = [kept.store(seed, Verdict.NG) for seed in range(4)]
    walk = Walk(kept.archive.folder, kept.ledger.db)
    data = kept.archive.path(pictures[2]).read_bytes()
    kept.archive.path(pictures[2]).write_bytes(data[:1000])
    found = [one for _ in range(20) if (one := walk.step()) is not None]
    assert found == [(pictures[2], "picture_altered")]
    kept.archive.path(pictures[2]).write_bytes(data)
    assert [walk.step() for _ in range(10)] == [None] * 10
    assert walk.bad == {}


def test_a_bad_picture_that_is_given_up_is_no_trouble_any_more(kept: Kept) -> None:
    kept.store(0, Verdict.NG)
    lost = kept.store(1, Verdict.OK)
    walk = Walk(kept.archive.folder, kept.ledger.db)
    kept.archive.path(lost).unlink()
    for _ in range(4):
        walk.step()
    assert walk.bad == {lost: "picture_missing"}
    kept.ledger.db.execute("DELETE FROM picture WHERE sha256 = ?", (lost,))
    for _ in range(4):
        walk.step()
    assert walk.bad == {}


def test_what_a_killed_recorder_left_is_adopted_or_removed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FOLDER_EVERY", 1)
    sha256 = kept.store(0, Verdict.NG)
    orphan = kept.store(1, Verdict.NG)
    kept.ledger.db.execute("DELETE FROM picture WHERE sha256 = ?", (orphan,))
    temporary = kept.archive.path(sha256).with_suffix(".123.tmp")
    temporary.write_bytes(b"half")
    named = {}
    for number, verdict in enumerate((Verdict.OK, Verdict.RECHECK, Verdict.NOT_INSPECTED), 2):
        named[kept.store(number, verdict)] = "OK_SAMPLE" if verdict == Verdict.OK else str(verdict)
        pictures = [{"sha256": list(named)[-1], "camera": "top"}]
        row = {"verdict": str(verdict), "pictures": pictures, "plc": {"epoch": 9, "number": number}}
        kept.ledger.append([("part", number, 1, number, row)])
    kept.ledger.db.execute("DELETE FROM picture WHERE sha256 <> ?", (sha256,))
    writing = kept.store(9, Verdict.OK)
    kept.ledger.db.execute("DELETE FROM picture WHERE sha256 = ?", (writing,))
    walk = Walk(kept.archive.folder, kept.ledger.db, {writing})
    for _ in range(256):
        walk.step()
    assert not temporary.exists()
    assert kept.archive.path(orphan).exists()
    rows = dict(kept.ledger.db.execute("SELECT sha256, retention FROM picture"))
    assert rows == {sha256: "NG", orphan: "NG", **named}  # nobody knows the orphan's part: kept longest
    assert kept.archive.path(writing).exists()
    assert kept.archive.path(sha256).exists()


def test_a_walk_over_nothing_does_nothing(kept: Kept) -> None:
    walk = Walk(kept.archive.folder, kept.ledger.db)
    assert walk.step() is None
    kept.ledger.close()
    with pytest.raises(sqlite3.Error):
        walk.step()
