"""The page's TCP socket; shared by the supervisor, which keeps it over restarts, and a page that runs alone."""

import socket

from edge.settings import WebSettings
from vocabulary import SettingsError


def bind(web: WebSettings) -> socket.socket:
    """The page's socket, held by the supervisor so that it survives every restart of the page. Raises SettingsError."""
    sock = socket.socket(socket.AF_INET6 if ":" in web.host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((web.host, web.port))
        sock.listen(128)
    except OSError as err:
        sock.close()
        raise SettingsError(
            f"web: {web.host}:{web.port}: {err.strerror}",
            "choose another web.port in station.toml, or 0 for any free one",
        ) from err
    return sock
