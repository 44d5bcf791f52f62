"""Which link serves which URI; imported when asked for."""

from urllib.parse import parse_qs, urlsplit

from plc_io.link import Link
from vocabulary import SettingsError

SCHEMES = ("modbus",)
TIMEOUT_S = 0.2


def link(uri: str) -> Link:
    """The link to `modbus://host:port[?timeout_s=0.2]`, not opened. Raises SettingsError."""
    try:
        parts = urlsplit(uri)
    except ValueError as err:
        raise SettingsError(f"plc.uri {uri!r}: {err}", "modbus://host:port[?timeout_s=0.2]") from err
    if parts.scheme not in SCHEMES:
        raise SettingsError(
            f"plc.uri {uri!r}: no protocol {parts.scheme!r}", f"one of {', '.join(SCHEMES)}://host:port"
        )
    try:
        host, port = parts.hostname, 502 if parts.port is None else parts.port
        options = {
            name: float(values[-1]) for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
        }
    except ValueError as err:
        raise SettingsError(f"plc.uri {uri!r}: {err}", "modbus://host:port[?timeout_s=0.2]") from err
    timeout_s = options.get("timeout_s", TIMEOUT_S)
    if not host or not port or set(options) - {"timeout_s"} or not 0.001 <= timeout_s <= 60:
        raise SettingsError(
            f"plc.uri {uri!r}: host missing, port 0, option unknown or time-out not 0.001 … 60",
            "modbus://host:port[?timeout_s=0.2]",
        )
    from plc_io.modbus import ModbusLink

    return ModbusLink(host, port, timeout_s)
