"""The GigE Vision driver on Aravis, against Debian's fake camera over a wire in a network namespace."""

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from camera_drivers.camera import Camera
from camera_drivers.gige import BUFFERS, GigeCamera, discover
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, MissingCameraContract, Settings, accounted, grab
from tests.camera_drivers.gige_peer import FakeCamera, missing, wired_camera
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Unsupported

WHY_NOT = missing()
needs_camera = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture(scope="module")
def wire() -> Iterator[FakeCamera]:
    with wired_camera(1) as fake:
        yield fake


@pytest.fixture
def fake(wire: FakeCamera) -> FakeCamera:
    """Running and whole, whatever the test before did to it."""
    if wire.process is None or wire.process.poll() is not None:
        wire.start()
    return wire


@pytest.fixture
def good() -> Settings:
    return {
        "exposure_us": 1000.0,
        "width": 320,
        "height": 240,
        "offset_x": 16,
        "pixel_format": "Mono8",
        "packet_size": 8000,
        "packet_resend": "on",
        "trigger_source": "software",
    }


@pytest.fixture
def opened(fake: FakeCamera, good: Settings) -> Iterator[GigeCamera]:
    camera = GigeCamera("top", fake.address)
    try:
        camera.open()
        camera.configure(good)
        camera.start()
        yield camera
    finally:
        camera.close()


def open_again(camera: GigeCamera) -> None:
    """As the station does: until the dead connection is gone."""
    for _ in range(30):
        try:
            camera.open()
        except DeviceLost:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("never opened again")


@needs_camera
class TestGigeCamera(CameraContract):
    @pytest.fixture
    def make(self, fake: FakeCamera) -> Make:
        return lambda: GigeCamera("top", fake.address)

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [
            ("exposure_us", -1.0),
            ("exposure_us", "long"),
            ("width", 10**6),
            ("width", 100.5),
            ("pixel_format", "Mono7"),
            ("trigger_source", "line99"),
            ("gain_db", 1.0),  # this camera has GainRaw only, which is no decibel
            ("black_level", 1.0),
            ("heartbeat_ms", 3000),  # no such feature
            ("packet_size", 100_000),
            ("packet_socket", "maybe"),
            ("packet_resend", 1.0),
            ("socket_buffer_mb", 0.0),
            ("nonsense", 1.0),
        ]


@pytest.mark.skipif(WHY_NOT is not None and "installed" in WHY_NOT, reason=str(WHY_NOT))
class TestMissingGigeCamera(MissingCameraContract):
    @pytest.fixture
    def missing(self) -> Camera:
        return GigeCamera("top", "no such camera")


@needs_camera
class TestWire:
    """What only a camera behind a network can do."""

    def test_it_is_found_by_address_name_and_serial(self, fake: FakeCamera) -> None:
        assert fake.serial in [info.serial for info in discover()]
        for rest in (fake.address, f"Aravis-{fake.serial}", fake.serial):
            camera = GigeCamera("top", rest)
            camera.open()
            assert (camera.info.uri, camera.info.vendor, camera.info.model) == (f"gige:{fake.serial}", "Aravis", "Fake")
            assert camera.address == fake.address
            camera.close()

    def test_frame_ids_wrap_at_sixteen_bits_without_a_loss(self, fake: FakeCamera, good: Settings) -> None:
        fake.start()  # its ids begin at 65401
        camera = GigeCamera("top", fake.address)
        camera.open()
        camera.configure(good)
        camera.start()
        ids = []
        for number in range(1, 141):
            camera.trigger(number)
            with camera.next_frame(SOON_S) as frame:
                assert (frame.trigger, frame.lost_before, frame.status) == (number, 0, "ok")
                ids.append(frame.device_frame_id)
        camera.close()
        assert ids == [*range(65401, 65536), 1, 2, 3, 4, 5]

    def test_colour_comes_as_rgb_and_each_format_has_its_size(self, opened: GigeCamera) -> None:
        for pixel_format, shape in (("RGB8", (240, 320, 3)), ("Mono16", (240, 320)), ("Mono8", (240, 320))):
            opened.configure({"pixel_format": pixel_format})
            opened.start()
            opened.trigger(1)
            with opened.next_frame(SOON_S) as frame:
                assert (frame.image.shape, frame.pixel_format, frame.clock) == (shape, pixel_format, "host")
                assert frame.device_ns is not None
                assert frame.exposure_us == 1000.0

    def test_the_other_receiving_socket_works_as_well(self, opened: GigeCamera) -> None:
        applied = opened.configure({"packet_socket": "off", "packet_resend": "off", "socket_buffer_mb": 0.1})
        assert (applied.values["packet_socket"], applied.values["socket_buffer_mb"]) == ("off", 0.1)
        opened.start()
        grab(opened, 1)

    def test_a_socket_buffer_beyond_the_kernels_limit_is_reported(self, opened: GigeCamera) -> None:
        assert "this computer has" in opened.configure({"socket_buffer_mb": 1e6}).changed["socket_buffer_mb"]

    def test_triggers_that_the_camera_swallows_are_lost_and_shift_no_other(self, opened: GigeCamera) -> None:
        for number in range(1, 6):
            opened.trigger(number)
        found = []
        with pytest.raises(DeviceTimeout):
            while True:
                with opened.next_frame(0.5) as frame:
                    found.append(frame.trigger)
        assert found[0] == 1
        assert set(found[1:]) <= {None}
        assert len(found) < 5
        opened.trigger(6)  # nobody stopped it: whose frame comes next can't be known
        with opened.next_frame(SOON_S) as frame:
            assert frame.trigger is None
        opened.stop()
        opened.start()
        grab(opened, 7)
        health = opened.health()
        assert (health.triggers, health.delivered) == (7, len(found) + 2)
        assert accounted(opened)

    def test_a_trigger_latched_over_a_stop_is_no_later_ones_frame(self, opened: GigeCamera) -> None:
        opened.trigger(1)
        opened.stop()
        opened.start()
        with pytest.raises(DeviceTimeout):
            opened.next_frame(0.3)
        grab(opened, 2)
        assert (opened.health().delivered, opened.health().lost) == (1, 1)

    def test_held_leases_use_up_the_buffers_and_the_loss_is_counted(self, opened: GigeCamera) -> None:
        held = []
        for number in range(1, BUFFERS + 1):
            opened.trigger(number)
            held.append(opened.next_frame(SOON_S))
        before = [lease.frame.image.copy() for lease in held]
        opened.trigger(100)
        with pytest.raises(DeviceTimeout):
            opened.next_frame(0.3)
        assert all((lease.frame.image == copy).all() for lease, copy in zip(held, before, strict=True))
        for lease in held:
            lease.release()
        opened.trigger(101)
        with opened.next_frame(SOON_S) as frame:
            assert (frame.trigger, frame.lost_before) == (101, 1)
        assert accounted(opened)

    def test_a_lease_outlives_stop_and_close(self, opened: GigeCamera) -> None:
        opened.trigger(1)
        lease = opened.next_frame(SOON_S)
        before = lease.frame.image.copy()
        opened.stop()
        opened.start()
        opened.close()
        assert (lease.frame.image == before).all()
        lease.release()

    def test_lost_packets_make_incomplete_frames_and_every_trigger_is_accounted_for(
        self, fake: FakeCamera, good: Settings
    ) -> None:
        fake.start(lost_per_thousand=50)
        camera = GigeCamera("top", fake.address)
        try:
            camera.open()
            camera.configure({**good, "packet_size": 1400})  # 56 packets a frame
            camera.start()
            seen = set()
            for number in range(1, 61):
                camera.trigger(number)
                with camera.next_frame(SOON_S) as frame:  # of 56 packets some come
                    assert (frame.trigger, frame.lost_before) == (number, 0)
                    seen.add((frame.status, frame.device_frame_id is None))
            camera.stop()
            health = camera.health()
            assert ("incomplete", False) in seen
            assert ("ok", True) not in seen
            assert (health.triggers, health.lost) == (60, 0)
            assert accounted(camera)
        finally:
            camera.close()
            fake.start()

    def test_a_second_client_is_told_who_is_in_its_way(self, opened: GigeCamera, fake: FakeCamera) -> None:
        second = GigeCamera("second", fake.address)
        with pytest.raises(DeviceLost, match="holds control"):
            second.open()
        second.close()
        grab(opened, 1)
        opened.probe()

    def test_a_hang_of_a_second_and_a_half_is_no_loss(self, opened: GigeCamera, fake: FakeCamera) -> None:
        grab(opened, 1)
        fake.signal(signal.SIGSTOP)
        try:
            time.sleep(1.5)
        finally:
            fake.signal(signal.SIGCONT)
        opened.probe()
        grab(opened, 2)
        assert accounted(opened)

    def test_a_dead_camera_is_lost_and_a_restarted_one_has_the_whole_configuration(
        self, opened: GigeCamera, fake: FakeCamera, good: Settings
    ) -> None:
        grab(opened, 1)
        opened.trigger(2)
        fake.signal(signal.SIGKILL)
        with pytest.raises(DeviceLost):
            opened.probe()
        for step in (opened.probe, lambda: opened.trigger(3), lambda: opened.next_frame(0.01), opened.start):
            with pytest.raises(DeviceLost):
                step()
        with pytest.raises(DeviceLost):
            opened.configure(good)
        opened.close()
        opened.close()
        with pytest.raises(DeviceLost):
            opened.open()
        fake.start()
        open_again(opened)
        assert {name: opened.configure(good).values[name] for name in good} == dict(good)
        opened.start()
        grab(opened, 4)
        assert opened.health().reconnects == 1
        assert accounted(opened)

    def test_a_camera_that_died_unnoticed_closes_all_the_same(self, opened: GigeCamera, fake: FakeCamera) -> None:
        grab(opened, 1)
        fake.signal(signal.SIGKILL)
        opened.close()
        fake.start()
        open_again(opened)
        opened.configure({})
        opened.start()
        grab(opened, 2)

    def test_a_trigger_into_a_dead_camera_is_a_loss(self, opened: GigeCamera, fake: FakeCamera) -> None:
        fake.signal(signal.SIGKILL)
        with pytest.raises(DeviceLost):
            opened.trigger(1)
        opened.stop()
        assert (opened.health().triggers, opened.health().lost) == (1, 1)

    def test_aravis_tells_of_lost_control(self, opened: GigeCamera, fake: FakeCamera) -> None:
        fake.signal(signal.SIGKILL)
        for _ in range(200):
            try:
                opened.next_frame(0.1)
            except DeviceTimeout:
                continue
            except DeviceLost:
                break
        else:
            raise AssertionError("never told")

    def test_a_camera_restarted_behind_our_back_fails_the_probe(self, opened: GigeCamera, fake: FakeCamera) -> None:
        fake.start()
        with pytest.raises(DeviceLost, match="control"):
            opened.probe()

    def test_a_wiped_configuration_fails_the_probe(self, opened: GigeCamera) -> None:
        opened.settings.device.set_string_feature_value("TriggerMode", "Off")
        with pytest.raises(DeviceLost, match="configuration"):
            opened.probe()

    def test_a_wired_trigger_refuses_the_software_and_waits(self, opened: GigeCamera) -> None:
        assert opened.configure({"trigger_source": "line0"}).values["trigger_source"] == "line0"
        opened.start()
        with pytest.raises(Unsupported):
            opened.trigger(1)
        with pytest.raises(DeviceTimeout):
            opened.next_frame(0.01)

    def test_an_error_that_someone_keeps_does_not_keep_the_camera(self, opened: GigeCamera, good: Settings) -> None:
        kept = []
        for step in (lambda: opened.next_frame(0.0), lambda: opened.configure({"width": 0})):
            try:
                step()
            except Exception as err:
                kept.append(err)
        opened.close()
        opened.open()
        opened.configure(good)
        opened.start()
        grab(opened, 1)
        assert len(kept) == 2

    def test_triggering_while_disarmed_counts_nothing(self, opened: GigeCamera) -> None:
        opened.stop()
        with pytest.raises(DeviceError):
            opened.trigger(1)
        assert opened.health().triggers == 0


def test_without_aravis_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(Unsupported, match=r"apt-get install gir1.2-aravis-0.8.*pip install 'jidoka\[gige\]'"):
        GigeCamera("top", "").open()
