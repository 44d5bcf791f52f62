"""An RT controller on a pseudo-terminal: written from the manual's command table, no code shared with the driver."""

import os
import re
import select
import threading
import time
import tty
from pathlib import Path


class Controller:
    """An RT260 as its manual tells: answers end with `>`, times are milliseconds, ST prints its channels."""

    def __init__(self, port: Path | None = None) -> None:
        """`port`: a name under which it is found, also by the next one that is plugged in there."""
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path, self.slave = os.ttyname(slave), slave
        if port is not None:
            port.unlink(missing_ok=True)
            port.symlink_to(self.path)
        self.version = "RT260-2 (HW02) V031"
        self.channels = {n: {"MD": 0, "S": 50.0, "DL": 1.0, "PU": 1.0, "RT": 0.0} for n in (1, 2)}  # factory: 50 %
        self.heard: list[str] = []
        self.echo = self.silent = self.trickle = self.gone = False
        self.answers: dict[str, bytes] = {}  # a command's first letters → raw bytes instead
        self.rating = 0.5  # amperes, set by VL
        self.wears = 1.0  # the pulse it makes of the one it was asked for
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        line = b""
        while not self.gone:
            if not select.select([self.master], [], [], 0.01)[0]:
                continue
            line += os.read(self.master, 64)
            while b"\r" in line:
                command, _, line = line.partition(b"\r")
                self.say(command.decode("ascii"))

    def say(self, command: str) -> None:
        self.heard.append(command)
        if self.silent:
            return
        raw = next((raw for start, raw in self.answers.items() if command.startswith(start)), None)
        if raw is None:
            said = self.obey(command.replace(" ", ""))
            raw = (command + "\r\n" if self.echo else "").encode() + (said + "\r\n" if said else "").encode() + b">"
        for piece in [raw[i : i + 1] for i in range(len(raw))] if self.trickle else [raw]:
            os.write(self.master, piece)
            if self.trickle:
                time.sleep(0.002)

    def obey(self, command: str) -> str:
        if command == "VR":
            return self.version
        found = re.fullmatch(r"([A-Z]{2})(\d)((?:,[0-9.]+)*)", command)
        if not found:
            return "Err 2"
        numbers = [float(one) for one in found[3].split(",")[1:]]
        channel = self.channels.get(int(found[2]))
        if channel is None:
            return "Err 1"
        if found[1] == "RS" and len(numbers) == 1:
            channel |= {"MD": 0, "S": numbers[0]}
            return "" if numbers[0] <= 100 else "Err 1"
        if found[1] == "RT" and len(numbers) in (3, 4):
            pulse, delay, percent, again = [*numbers, 0.0][:4]
            if not (0.02 <= pulse <= 999 and percent <= 999):
                return "Err 1"
            channel |= {"MD": 1, "PU": pulse * self.wears, "DL": delay, "S": percent, "RT": again}
            return ""
        if found[1] == "ST" and not numbers:
            times = ",".join(f"{key}{printed(channel[key])}" for key in ("DL", "PU", "RT"))
            head = f"CH{found[2]},MD{channel['MD']},S{channel['S']:5.1f},  0.0"
            return f"{head},{times},IP{found[2]},FL0,CS0.000A,RA{self.rating:.3f}A"
        return "Err 4" if found[1] in ("RS", "RT", "ST") else "Err 2"

    def unplug(self) -> None:
        if not self.gone:
            self.gone = True
            self.thread.join()
            os.close(self.slave)
            os.close(self.master)


def printed(ms: float) -> str:
    """As the manual's samples: 2.0us, 300.0us, 1.000ms, 20.00ms."""
    if ms < 1:
        return f"{ms * 1000:.1f}us"
    return f"{ms:.3f}ms" if ms < 10 else f"{ms:.2f}ms"
