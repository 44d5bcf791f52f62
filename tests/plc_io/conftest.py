"""Peers that nobody here wrote: a Modbus server on libmodbus, built from a few lines of C."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "peers" / "modbus_server.c"


class LibmodbusServer:
    """The server as a process; `freeze` makes it silent with its connections open."""

    def __init__(self, program: Path, port: int = 0) -> None:
        self.popen = subprocess.Popen([program, str(port)], stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout is not None
        self.port = int(self.popen.stdout.readline())
        self.popen.stdout.close()

    def freeze(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@pytest.fixture(scope="session")
def server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("peers") / "modbus_server"
    built = subprocess.run(
        ["cc", "-o", program, SOURCE, "-I/usr/include/modbus", "-lmodbus"], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, f"`make apt` installs libmodbus-dev: {built.stderr}"
    return program


@pytest.fixture
def libmodbus(server_program: Path) -> Iterator[Callable[..., LibmodbusServer]]:
    """Start a server; `port` brings one back where another was."""
    started: list[LibmodbusServer] = []

    def start(port: int = 0) -> LibmodbusServer:
        started.append(LibmodbusServer(server_program, port))
        return started[-1]

    yield start
    for server in started:
        server.kill()
