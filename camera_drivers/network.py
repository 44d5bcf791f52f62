"""Is this computer's network fit for a GigE camera? Reads the kernel's own counters; changes nothing.

Measured with a plain UDP socket and 8000-byte packets: kernel default of 212,992 bytes: 2 of 75 frames whole; with
8,388,608: all. Each loss was in UdpRcvbufErrors. A packet socket (the default, needs CAP_NET_RAW) lost none either way.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

ENOUGH_BYTES = 8_388_608  # measured, see above
JUMBO_MTU = 9000  # bytes; what cameras and switches call jumbo frames. 8000-byte packets need 8000 at least
UP = 0x1  # RTF_UP, linux/route.h
LOOPBACK_TYPE = 772  # ARPHRD_LOOPBACK, linux/if_arp.h


@dataclass(frozen=True, slots=True)
class NetworkHealth:
    """What the kernel says, and what to do about it in words; unknown is None."""

    interface: str | None  # on the way to the camera
    mtu: int | None  # bytes
    receive_default: int | None  # bytes of a UDP socket's queue when nobody asks for another size
    receive_limit: int | None  # bytes that anybody may ask for
    receive_errors: int | None  # UDP packets thrown away for want of queue, of this network namespace since its start
    remedies: tuple[str, ...]


def network_health(camera_address: str, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> NetworkHealth:
    """The network as a camera at this IPv4 address needs it."""
    interface = route_to(camera_address, proc)
    device = sys / "class/net" / (interface or "none")
    mtu = number(device / "mtu")
    default, limit = (number(proc / "sys/net/core" / name) for name in ("rmem_default", "rmem_max"))
    errors = receive_errors(proc)
    remedies = []
    if interface is None:
        remedies.append(f"no route to {camera_address}: give this computer an address in the camera's network")
    elif mtu is not None and mtu < JUMBO_MTU and number(device / "type") != LOOPBACK_TYPE:
        remedies.append(
            f"{interface} sends packets of {mtu} bytes: `ip link set {interface} mtu {JUMBO_MTU}`, "
            "if network card and switch can do it; a sixth of the packets, a sixth of the work"
        )
    for name, size in (("rmem_default", default), ("rmem_max", limit)):
        if size is not None and size < ENOUGH_BYTES:
            remedies.append(
                f"net.core.{name} is {size} bytes: `sysctl -w net.core.{name}={ENOUGH_BYTES}`, "
                "and the same line in /etc/sysctl.d/90-jidoka.conf"
            )
    if errors:
        remedies.append(
            f"{errors} UDP packets came faster than they were read: if this grows, use packet_socket, "
            "larger receive queues, larger packets, or a core of its own for the camera"
        )
    return NetworkHealth(interface, mtu, default, limit, errors, tuple(remedies))


def route_to(address: str, proc: Path = Path("/proc")) -> str | None:
    """The interface of the narrowest IPv4 route (proc(5), net/route: hex, in the byte order of this computer)."""
    wanted = int.from_bytes(ipaddress.IPv4Address(address).packed, "little")
    if ipaddress.IPv4Address(address).is_loopback:
        return "lo"  # has a table of its own
    found: list[tuple[int, str]] = []
    for line in lines(proc / "net/route")[1:]:
        name, target, _, flags, _, _, _, mask = line.split()[:8]
        if int(flags, 16) & UP and wanted & int(mask, 16) == int(target, 16):
            found.append((int(mask, 16).bit_count(), name))
    return max(found)[1] if found else None


def receive_errors(proc: Path = Path("/proc")) -> int | None:
    """UdpRcvbufErrors (proc(5), net/snmp: a line of names, then one of numbers)."""
    udp = [line.split() for line in lines(proc / "net/snmp") if line.startswith("Udp:")]
    if len(udp) != 2 or "RcvbufErrors" not in udp[0]:
        return None
    return int(udp[1][udp[0].index("RcvbufErrors")])


def number(path: Path) -> int | None:
    """The number in a file; None: not there, or none."""
    found = lines(path)
    return int(found[0]) if found and found[0].isdigit() else None


def lines(path: Path) -> list[str]:
    """Of a file of the kernel; none where it is hidden, as in some containers."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
