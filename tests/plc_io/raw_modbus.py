"""Modbus TCP by hand, from the specification (MODBUS Messaging on TCP/IP v1.0b): shares nothing with any library."""

import socket
import struct
from collections.abc import Sequence


class RawModbus:
    """Function codes 3 and 16 of unit 1."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transaction = 0

    def ask(self, pdu: bytes) -> bytes:
        self.transaction = (self.transaction + 1) % 65536
        self.sock.sendall(struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, 1) + pdu)
        header = self.exactly(7)
        transaction, protocol, length, _ = struct.unpack(">HHHB", header)
        assert (transaction, protocol) == (self.transaction, 0)
        answer = self.exactly(length - 1)
        assert answer[0] == pdu[0], f"exception {answer.hex()}"
        return answer

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise ConnectionResetError("closed by the server")
            data += more
        return data

    def read(self, address: int, count: int) -> list[int]:
        answer = self.ask(struct.pack(">BHH", 3, address, count))
        return list(struct.unpack(f">{count}H", answer[2:]))

    def write(self, address: int, words: Sequence[int]) -> None:
        self.ask(struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words))

    def __del__(self) -> None:
        self.sock.close()
