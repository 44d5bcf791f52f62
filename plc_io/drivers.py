"""Which link serves which URI; imported when asked for."""

from urllib.parse import parse_qs, urlsplit

from plc_io.link import Link
from vocabulary import SettingsError

SCHEMES = ("modbus",)


def link(uri: str) -> Link:
    """The link to `modbus://host:port[?timeout_s=0.2]`, not opened. Raises SettingsError."""
    parts = urlsplit(uri)
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
    if not host or not port or set(options) - {"timeout_s"}:
        raise SettingsError(
            f"plc.uri {uri!r}: host missing, port 0 or option unknown", "modbus://host:port[?timeout_s=0.2]"
        )
    from plc_io.modbus import ModbusLink

    return ModbusLink(host, port, options.get("timeout_s", 0.2))
