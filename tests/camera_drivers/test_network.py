"""What the kernel says about the way to a GigE camera."""

import socket
from pathlib import Path

import pytest

from camera_drivers.network import network_health, receive_errors, route_to

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
cam0\t004DFEA9\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
cam1\t004DFEA9\t00000000\t0000\t0\t0\t0\tFFFFFFFF\t0\t0\t0
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    for path, text in {
        "proc/net/route": ROUTES,
        "proc/net/snmp": "Udp: InDatagrams NoPorts InErrors RcvbufErrors\nUdp: 9 0 7 7\n",
        "proc/sys/net/core/rmem_default": "212992\n",
        "proc/sys/net/core/rmem_max": "33554432\n",
        "sys/class/net/cam0/mtu": "1500\n",
        "sys/class/net/cam0/type": "1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_each_weakness_is_named_with_its_remedy(kernel: Path) -> None:
    health = network_health("169.254.77.2", kernel / "proc", kernel / "sys")
    assert (health.interface, health.mtu, health.receive_errors) == ("cam0", 1500, 7)
    assert (health.receive_default, health.receive_limit) == (212992, 33554432)
    mtu, queue, errors = health.remedies
    assert "ip link set cam0 mtu 9000" in mtu
    assert "sysctl -w net.core.rmem_default=8388608" in queue
    assert "7 UDP packets" in errors


def test_a_fit_network_needs_nothing(kernel: Path) -> None:
    (kernel / "sys/class/net/cam0/mtu").write_text("9000\n")
    (kernel / "proc/sys/net/core/rmem_default").write_text("8388608\n")
    (kernel / "proc/net/snmp").write_text("Udp: RcvbufErrors\nUdp: 0\n")
    assert network_health("169.254.77.2", kernel / "proc", kernel / "sys").remedies == ()


def test_the_narrowest_route_that_is_up_wins(kernel: Path) -> None:
    assert route_to("169.254.77.2", kernel / "proc") == "cam0"
    assert route_to("10.0.0.1", kernel / "proc") == "eth0"
    assert route_to("127.0.0.1", kernel / "proc") == "lo"


def test_what_a_container_hides_is_unknown_not_zero(tmp_path: Path) -> None:
    health = network_health("169.254.77.2", tmp_path, tmp_path)
    assert (health.mtu, health.receive_default, health.receive_limit, health.receive_errors) == (None,) * 4
    assert "no route" in health.remedies[0]


def test_this_computers_kernel_counts_what_a_full_queue_throws_away() -> None:
    before = receive_errors()
    assert before is not None
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        full.bind(("127.0.0.1", 0))
        for _ in range(100):
            out.sendto(bytes(1400), full.getsockname())
    after = receive_errors()
    assert after is not None
    assert after > before
    assert network_health("127.0.0.1").interface == "lo"
