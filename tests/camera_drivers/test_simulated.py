"""The belt of rendered parts: repeatable pictures, exact truth, faults on demand."""

import csv
from pathlib import Path

import numpy as np
import pytest

from camera_drivers.drivers import grab as grab_to_disk
from camera_drivers.folder import read
from camera_drivers.rendered_parts import DEFECTS
from camera_drivers.simulated import SimulatedCamera
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, Settings, accounted, grab
from vocabulary import DeviceLost, DeviceTimeout, SettingsError, picture_hash

SMALL = "width=160&height=120"


class TestSimulatedCamera(CameraContract):
    @pytest.fixture
    def make(self) -> Make:
        return lambda: SimulatedCamera("top", f"?seed=3&{SMALL}")

    @pytest.fixture
    def good(self) -> Settings:
        return {"exposure_us": 1500.0, "gain_db": 1.0}

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [("exposure_us", -1.0), ("exposure_us", "long"), ("gain_db", 99.0), ("nonsense", 1.0)]


def opened(query: str) -> SimulatedCamera:
    camera = SimulatedCamera("top", f"?{SMALL}&{query}")
    camera.open()
    camera.configure({})
    camera.start()
    return camera


def test_a_picture_depends_on_seed_and_trigger_alone() -> None:
    one, other, third = opened("seed=5"), opened("seed=5"), opened("seed=6")
    forward = [grab(one, number) for number in (1, 2, 3)]
    assert [grab(other, number) for number in (3, 2, 1)] == forward[::-1]
    assert len({*forward, grab(third, 1)}) == 4


def test_a_defect_changes_pixels_inside_its_mask_only() -> None:
    bad, good = opened("seed=2&defect_share=1"), opened("seed=2&defect_share=0")
    kinds = set()
    for number in range(1, 31):
        truth = bad.truth(number)
        differs = bad.picture(number) != good.picture(number)
        assert truth.label == "ng"
        assert not (differs & (truth.mask == 0)).any()
        assert differs.sum() > 0.25 * (truth.mask > 0).sum() > 0
        kinds.add(truth.defect_type)
    assert kinds == set(DEFECTS)


def test_boxes_hold_the_mask_and_nothing_more() -> None:
    camera = opened("seed=2&defect_share=1")
    for number in range(1, 11):
        truth = camera.truth(number)
        covered = np.zeros_like(truth.mask)
        for x, y, width, height in truth.boxes:
            assert truth.mask[y : y + height, x : x + width].any(axis=0).all()
            assert truth.mask[y : y + height, x : x + width].any(axis=1).all()
            covered[y : y + height, x : x + width] = 255
        assert not (truth.mask[covered == 0]).any()


def test_a_good_part_has_no_defect() -> None:
    truth = opened("defect_share=0").truth(4)
    assert (truth.label, truth.defect_type, truth.boxes, int(truth.mask.max())) == ("ok", "", [], 0)


def test_the_share_of_defects_is_as_asked() -> None:
    camera = opened("seed=9&defect_share=0.3")
    bad = sum(camera.truth(number).label == "ng" for number in range(1, 301))
    assert 60 <= bad <= 120  # 90 expected, standard deviation 8


def test_the_light_drifts() -> None:
    camera = opened("defect_share=0")
    means = [float(camera.picture(number).mean()) for number in (95, 100, 105, 295, 300, 305)]
    assert min(means[:3]) > 1.05 * max(means[3:])


def test_exposure_and_gain_make_it_brighter() -> None:
    camera = opened("defect_share=0")
    before = float(camera.picture(1).mean())
    camera.configure({"exposure_us": 500.0})
    assert float(camera.picture(1).mean()) == pytest.approx(before / 2, rel=0.02)
    camera.configure({"gain_db": 20.0})
    assert float(camera.picture(1).mean()) > 2 * before


def test_colour_has_three_channels() -> None:
    assert opened("channels=3").picture(1).shape == (120, 160, 3)


def test_lost_exposures_are_counted_and_announced() -> None:
    camera = opened("lose_every=3")
    announced = []
    for number in range(1, 8):
        camera.trigger(number)
        if number % 3 == 0:
            with pytest.raises(DeviceTimeout):
                camera.next_frame(0.0)
            continue
        with camera.next_frame(SOON_S) as frame:
            announced.append((frame.trigger, frame.lost_before))
    assert announced == [(1, 0), (2, 0), (4, 1), (5, 0), (7, 1)]
    assert camera.health().lost == 2
    assert accounted(camera)


def test_a_camera_that_hangs_fails_its_probe_and_lives_again_after_opening() -> None:
    camera = opened("silent_after=2")
    for number in (1, 2):
        grab(camera, number)
    camera.probe()
    camera.trigger(3)
    with pytest.raises(DeviceTimeout):
        camera.next_frame(0.0)
    with pytest.raises(DeviceLost):
        camera.probe()
    camera.open()
    camera.start()
    grab(camera, 4)
    assert accounted(camera)


def test_a_slow_camera_times_out_and_delivers_later() -> None:
    camera = opened("slow_ms=200")
    camera.trigger(1)
    with pytest.raises(DeviceTimeout):
        camera.next_frame(0.0)
    with camera.next_frame(SOON_S) as frame:
        assert frame.trigger == 1
        assert frame.arrived_ns - frame.exposed_ns >= 200_000_000


@pytest.mark.parametrize("query", ["speed=1", "channels=2", "width=ten", "width=64.5", "defect_share=1.5", "seed="])
def test_a_wrong_option_is_refused_by_its_name(query: str) -> None:
    with pytest.raises(SettingsError, match=query.partition("=")[0]):
        SimulatedCamera("top", f"?{query}")


def test_grabbed_pictures_come_with_their_truth(tmp_path: Path) -> None:
    said = grab_to_disk(f"sim:?seed=4&{SMALL}&defect_share=0.5&channels=3", 12, tmp_path)
    camera = opened("seed=4&defect_share=0.5&channels=3")
    rows = list(csv.DictReader((tmp_path / "dataset.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == said["pictures"] == said["ok"] + said["ng"] == 12
    assert {row["label"] for row in rows} == {"ok", "ng"}
    assert {row["subset"] for row in rows} == {"train", "test"}
    for number, row in enumerate(rows, 1):
        assert picture_hash(read(tmp_path / row["path"], "test")) == grab(camera, number)
        assert bool(row["mask"]) == bool(row["boxes"]) == (row["label"] == "ng")
        if row["mask"]:
            mask = read(tmp_path / row["mask"], "test")
            assert np.array_equal(mask, camera.truth(number).mask)
            for box in row["boxes"].split(";"):
                x1, y1, x2, y2, kind = box.split(" ")
                assert kind == row["defect_type"]
                mask[int(y1) : int(y2), int(x1) : int(x2)] = 0
            assert not mask.any()


def test_a_grab_from_a_camera_that_loses_frames_has_rows_for_what_came_only(tmp_path: Path) -> None:
    said = grab_to_disk(f"sim:?{SMALL}&lose_every=3", 4, tmp_path)
    rows = list(csv.DictReader((tmp_path / "dataset.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == ["000001.png", "000002.png", "000004.png"]
    assert len(said["failed"]) == 1
