"""The RT driver against a peer on a pseudo-terminal."""

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_drivers.gardasoft import GardasoftLight, parse_state
from camera_drivers.lights import Strobe, light
from tests.camera_drivers.gardasoft_peer import Controller
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, SettingsError, Unsupported

GOOD = Strobe(intensity_percent=50, pulse_us=100, delay_us=20, period_us=10_000)


@pytest.fixture
def peer() -> Iterator[Controller]:
    peer = Controller()
    yield peer
    peer.unplug()


@pytest.fixture
def ring(peer: Controller) -> Iterator[GardasoftLight]:
    ring = GardasoftLight("ring", peer.path)
    ring.open()
    yield ring
    ring.close()


# ── the contract ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_it_says_who_it_is(ring: GardasoftLight, peer: Controller) -> None:
    assert (ring.info.model, ring.info.firmware, ring.info.channels) == ("RT260-2", "V031", 2)
    assert ring.info.uri == f"gardasoft:{peer.path}"
    ring.probe()


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("trickle", [False, True])
def test_a_strobe_is_set_and_read_back(ring: GardasoftLight, peer: Controller, echo: bool, trickle: bool) -> None:
    peer.echo, peer.trickle = echo, trickle
    state = ring.strobe(2, Strobe(250, 123.4, 1500, 10_050, duty_limit_percent=5))
    assert peer.heard[-2:] == ["RT2,0.1234,1.5,250,10", "ST2"]
    assert (state.channel, state.strobe_on, state.dark) == (2, True, False)
    assert (state.intensity_percent, state.pulse_us, state.delay_us, state.retrigger_us) == (250, 123.4, 1500, 10_000)
    assert state.rating_a == 0.5
    assert not ring.read(1).strobe_on


def test_off_is_dark_and_on_again(ring: GardasoftLight, peer: Controller) -> None:
    assert not ring.read(1).dark  # the factory's 50 %
    assert ring.off(1).dark
    assert peer.heard[-2:] == ["RS1,0", "ST1"]
    assert ring.strobe(1, GOOD).strobe_on
    assert not ring.off(1).strobe_on


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Strobe(50, 100, 20, 10_000, 0.5), "is 1 % duty: at most 0.5 % at 50 %: a period of 20000 µs"),
        (Strobe(150, 400, 20, 1000), "400 µs each 1000 µs is 40 % duty: at most 30 % at 150 %: a period of 1333 µs"),
        (Strobe(300.1, 300, 20, 2000), "15 % duty: at most 10 %"),
        (Strobe(101, 30_001, 20, 900_000), "pulse of 30001 µs at 101 %: at most 30000 µs"),
        (Strobe(600, 1001, 20, 900_000), "at most 1000 µs"),
        (Strobe(1000, 100, 20, 900_000), "intensity 1000 %: 0 to 999 %"),
        (Strobe(-1, 100, 20, 900_000), "intensity -1 %"),
        (Strobe(float("nan"), 100, 20, 900_000), "intensity nan %"),
        (Strobe(50, 100, 20, 1000, duty_limit_percent=float("nan")), "duty limit nan %"),
        (Strobe(50, 19, 20, 10_000), "pulse 19 µs: 20 to 999000 µs"),
        (Strobe(50, 100, 10, 10_000), "delay 10 µs"),
        (Strobe(50, 100, 20, 0), "period 0 µs"),
        (Strobe(50, 100, 20, float("inf")), "period inf µs"),
        (Strobe(50, 600, 500, 1000), "delay 500 µs and pulse 600 µs: together at most"),
        (Strobe(50, 199, 20, 199), "199 µs each 100 µs is 199 % duty"),  # the controller counts in steps of 100 µs
    ],
)  # fmt: skip
def test_what_would_burn_a_light_never_reaches_the_controller(
    ring: GardasoftLight, peer: Controller, asked: Strobe, words: str
) -> None:
    before = list(peer.heard)
    with pytest.raises(SettingsError, match=f"light ring: channel 1: .*{words}"):
        ring.strobe(1, asked)
    assert peer.heard == before


@pytest.mark.parametrize(
    ("rating", "asked", "words"),
    [
        (3.0, Strobe(700, 50, 20, 900_000), "700 % of 3 A is 21 A: at most 20 A"),
        (3.0, Strobe(600, 101, 20, 900_000), "is 18 A for 101 µs: at most 100 µs"),
        (3.0, Strobe(200, 1001, 20, 900_000), "is 6 A for 1001 µs: at most 1000 µs"),
        (2.5, Strobe(200, 3001, 20, 900_000), "is 5 A for 3001 µs: at most 3000 µs"),
        (1.0, Strobe(50, 69, 20, 600), "is 0.5 A, with 11.5 % duty of pulses under 70 µs: at most 10 %"),
        (1.0, Strobe(51, 69, 20, 6000), "is 0.51 A, with 1.15 % duty of pulses under 70 µs: at most 1 %"),
    ],
)
def test_more_current_than_the_controller_gives_is_refused(
    ring: GardasoftLight, peer: Controller, rating: float, asked: Strobe, words: str
) -> None:
    peer.rating = rating
    with pytest.raises(SettingsError, match=f"light ring: channel 1: .*{words}"):
        ring.strobe(1, asked)
    assert not [command for command in peer.heard if command.startswith("RT")]


@given(
    percent=st.floats(0, 1100),
    pulse_us=st.floats(1, 1e6),
    period_us=st.floats(1, 1e6),
    own=st.floats(0.1, 100),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_keeps_the_limits(percent: float, pulse_us: float, period_us: float, own: float) -> None:
    """The numbers as they would leave, held against the manual's tables written down here once more."""
    sent: list[list[float]] = []

    class Wire(GardasoftLight):
        def _ask(self, what: str, **numbers: object) -> str:
            if what == "strobe":
                sent.append([float(str(numbers[key])) for key in ("pulse", "delay", "percent", "retrigger")])
                raise DeviceTimeout(self.name, "enough seen")
            return "CH1,MD0,S 50.0, 0.0,DL1.000ms,PU1.000ms,RT 0.0us,IP1,FL0,CS0.000A,RA3.000A"

    ring = Wire("ring", "")
    ring._serial, ring._info = object(), dataclasses.replace(ring.info, channels=2)
    with contextlib.suppress(SettingsError, DeviceTimeout):
        ring.strobe(1, Strobe(percent, pulse_us, 20, period_us, own))
    for pulse, delay, level, again in sent:
        assert 0.02 <= pulse <= 999 and 0.02 <= delay <= 999 and 0 <= level <= 999
        assert again * 10 == pytest.approx(round(again * 10))  # steps of 100 µs
        width, duty = next(
            limits
            for most, limits in {100: (999, 100), 200: (30, 30), 300: (10, 20), 500: (2, 10), 999: (1, 5)}.items()
            if level <= most
        )
        assert pulse <= width
        assert 100 * pulse / again <= min(duty, own) * 1.001  # what rounding to 0.1 µs may add
        amperes = 3 * level / 100
        assert amperes <= 20
        assert pulse <= (0.1 if amperes > 12.01 else 0.4 if amperes > 10.01 else 1 if amperes > 5.01 else 999)


@given(st.text(alphabet="CHMDSLPURTIFA0123456789.,msu >", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_answer_is_understood_by_chance(answer: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_state(answer).channel >= 0


def test_a_light_rated_in_volts_is_left_to_the_controller(ring: GardasoftLight, peer: Controller) -> None:
    peer.rating = 0.0
    assert ring.strobe(1, Strobe(900, 900, 20, 100_000)).rating_a is None


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_it_has_not_is_refused(ring: GardasoftLight, channel: int) -> None:
    steps: list[Callable[[int], object]] = [ring.read, ring.off, lambda one: ring.strobe(one, GOOD)]
    for step in steps:
        with pytest.raises(SettingsError, match=f"channel {channel}: 1 to 2"):
            step(channel)


def test_a_closed_light_is_lost_and_opens_again(ring: GardasoftLight) -> None:
    ring.close()
    ring.close()
    for step in (ring.probe, lambda: ring.read(1)):
        with pytest.raises(DeviceLost, match="ring: is not open"):
            step()
    ring.open()
    ring.strobe(1, GOOD)


# ── what a controller does wrong ─────────────────────────────────────────────────────────────────────────────────────
def test_another_pulse_than_asked_is_named_and_the_channel_goes_dark(ring: GardasoftLight, peer: Controller) -> None:
    peer.wears = 1.2
    with pytest.raises(DeviceError, match="ring: channel 1: pulse: asked 100, the controller holds 120"):
        ring.strobe(1, GOOD)
    assert ring.read(1).dark


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (1, SettingsError, "a parameter value is invalid"),
        (5, SettingsError, "adjusted"),
        (19, SettingsError, "rating"),
        (44, DeviceError, "too hot"),
        (27, DeviceError, "section 13"),
    ],
)
def test_its_errors_are_named_and_the_channel_goes_dark(
    ring: GardasoftLight, peer: Controller, number: int, kind: type[Exception], words: str
) -> None:
    peer.answers = {"RT": f"Err {number}\r\n>".encode()}
    with pytest.raises(kind, match=f"RT1,.*: Err {number}, .*{words}"):
        ring.strobe(1, GOOD)
    assert peer.heard[-2:] == ["RS1,0", "ST1"]


def test_a_channel_that_stays_lit_is_an_error(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"RS": b">"}
    with pytest.raises(DeviceError, match=r"switched off and says .*: cut its power"):
        ring.off(1)


def test_no_answer_is_a_timeout_and_the_next_command_works(ring: GardasoftLight, peer: Controller) -> None:
    peer.silent = True
    started = time.monotonic()
    with pytest.raises(DeviceTimeout, match=r"ring: ST1: no answer within 0\.5 s"):
        ring.strobe(1, GOOD)
    assert time.monotonic() - started < 5
    peer.silent = False
    ring.strobe(1, GOOD)


def test_a_setting_without_an_answer_is_a_timeout(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"RT": b""}
    with pytest.raises(DeviceTimeout, match=r"ring: RT1,0\.1,0\.02,50,10: no answer"):
        ring.strobe(1, GOOD)
    assert not ring.read(1).strobe_on


def test_a_late_answer_is_not_taken_for_the_next_one(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"ST1": b"CH1,MD"}
    with pytest.raises(DeviceTimeout, match="only b'CH1,MD' came"):
        ring.read(1)
    os.write(peer.master, b"0,S 50.0, 0.0,DL1.000ms,PU1.000ms,RT 0.0us\r\n>")
    peer.answers = {}
    assert ring.read(2).channel == 2


def test_an_answer_for_another_channel_is_refused(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"ST1": peer.obey("ST2").encode() + b">"}
    with pytest.raises(DeviceError, match="asked for channel 1, answered 'CH2"):
        ring.read(1)


@pytest.mark.parametrize(
    "raw",
    [b">", b"hello>", b"\x00\xff\xfe>", b"CH1,MD0>", b"CH1,CH1,MD0,S50,DL1ms,PU1ms,RT0us>",
     b"CH1,MD0,S50.0,0.0,DL1.000,PU1.000ms,RT0.0us>", b"CH1,MD0,S5x.0,0.0,DL1.0ms,PU1.0ms,RT0.0us>"],
)  # fmt: skip
def test_garbage_is_no_state(ring: GardasoftLight, peer: Controller, raw: bytes) -> None:
    peer.answers = {"ST": raw}
    with pytest.raises(DeviceError, match="ring: answered"):
        ring.read(1)


def test_garbage_after_a_setting_is_an_error(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"RT": b"\x80OK?\r\n>"}
    with pytest.raises(DeviceError, match=r"RT1,.*: answered .*OK\?"):
        ring.strobe(1, GOOD)
    assert ring.read(1).dark


def test_bytes_that_nobody_asked_for_are_thrown_away(ring: GardasoftLight, peer: Controller) -> None:
    os.write(peer.master, b"Evt1,130;\r\n>Err 44>")
    time.sleep(0.05)
    assert ring.strobe(1, GOOD).strobe_on


def test_the_output_of_the_manual_is_understood(ring: GardasoftLight, peer: Controller) -> None:
    peer.answers = {"ST": b"CH1,MD0,S 50.0, 0.0,DL1.000ms,PU1.000ms,RT 0.0us,IP1,FL0,CS0.000A,RA0.000A\r\n>"}
    state = ring.read(1)
    assert (state.strobe_on, state.dark, state.intensity_percent, state.rating_a) == (False, False, 50.0, None)
    assert (state.pulse_us, state.delay_us, state.retrigger_us) == (1000.0, 1000.0, 0.0)


def test_unplugged_is_lost(ring: GardasoftLight, peer: Controller) -> None:
    peer.unplug()
    for step in (ring.probe, lambda: ring.strobe(1, GOOD), ring.open):
        with pytest.raises(DeviceLost, match="ring"):
            step()
    ring.close()


def test_unplugged_while_waiting_is_lost(ring: GardasoftLight, peer: Controller) -> None:
    peer.silent = True
    threading.Timer(0.1, peer.unplug).start()
    with pytest.raises((DeviceLost, DeviceTimeout), match="ring"):
        ring.probe()
    with pytest.raises(DeviceLost):
        ring.probe()


def test_another_device_on_the_port_is_refused(peer: Controller) -> None:
    peer.version = "PP420 (HW001) V002"
    with pytest.raises(Unsupported, match=r"'PP420 .*' is no RT controller"):
        GardasoftLight("ring", peer.path).open()


def test_another_controller_than_before_fails_the_probe(ring: GardasoftLight, peer: Controller) -> None:
    peer.version = "RT860F-2 (HW02) V031"
    with pytest.raises(DeviceError, match="was RT260-2, is RT860F-2"):
        ring.probe()


def test_a_port_that_is_not_there_is_lost() -> None:
    with pytest.raises(DeviceLost, match="ring: /dev/none"):
        light("gardasoft:/dev/none", "ring").open()


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(SettingsError, match="no driver 'lamp': one of gardasoft"):
        light("lamp:1", "ring")


def test_without_pyserial_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(Unsupported, match=r"pip install 'jidoka\[lights\]'"):
        GardasoftLight("ring", "/dev/none").open()
