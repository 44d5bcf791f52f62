"""Sockets and shared memory between the processes: nothing is lost silently."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from edge.channel import Channel, ChannelClosed, Listener, connect
from edge.messages import Hello, Ping
from edge.ring import RingReader, RingWriter
from vocabulary import SettingsError


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Channel, Channel]:
    listener = Listener(tmp_path / "s.sock")
    near = connect(tmp_path / "s.sock")
    far = listener.accept()
    listener.sock.close()
    assert near is not None
    assert far is not None
    return near, far


def test_a_full_queue_is_an_answer_and_counted(pair: tuple[Channel, Channel]) -> None:
    near, far = pair
    sent = 0
    while near.send(Ping(1, sent)):
        sent += 1
    assert near.full == 1
    received = []
    while (message := far.receive()) is not None:
        received.append(message.sequence if isinstance(message, Ping) else None)
    assert received == list(range(sent))
    near.close()
    far.close()


def test_what_a_dead_peer_had_sent_is_delivered_before_its_end(pair: tuple[Channel, Channel]) -> None:
    near, far = pair
    far.send(Ping(1, 99))  # unread by the peer that dies
    near.send(Ping(1, 1))
    near.send(Ping(1, 2))
    near.close()
    assert far.receive() == Ping(1, 1)
    assert far.receive() == Ping(1, 2)
    with pytest.raises(ChannelClosed):
        far.receive()
    far.close()


@pytest.mark.parametrize("garbage", [b"\xc1garbage", b"x" * 300_000])
def test_garbage_or_an_oversize_message_ends_the_channel(garbage: bytes) -> None:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    left.send(garbage)
    channel = Channel(right)
    with pytest.raises(ChannelClosed):
        channel.receive()
    channel.close()
    left.close()


def test_nobody_listening_is_none_and_a_left_over_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    assert connect(path) is None
    Listener(path).sock.close()
    assert connect(path) is None
    again = Listener(path)
    peer = connect(path)
    assert peer is not None
    peer.close()
    again.sock.close()


def test_a_socket_path_too_long_for_the_kernel_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="107 bytes"):
        Listener(tmp_path / ("x" * 120) / "s.sock")


def test_a_ring_passes_pictures_and_counts_those_without_a_slot(pair: tuple[Channel, Channel]) -> None:
    near, far = pair
    writer = RingWriter(2, 100)
    near.send(Hello("engine", 1, os.getpid()), writer.fd)
    assert far.receive() == Hello("engine", 1, os.getpid())
    reader = RingReader(far.fds.pop(), 2, 100)
    first, second = np.full((5, 6), 7, np.uint8), np.full((4, 5, 3), 9, np.uint8)
    places = [writer.put(first), writer.put(second)]
    assert writer.put(first) == "no_slot"
    assert places[0] is not None
    assert places[1] is not None
    assert (reader.view(places[0][0], (5, 6)) == first).all()
    assert (reader.view(places[1][0], (4, 5, 3)) == second).all()
    writer.release(places[0][0], places[0][1] - 1)  # an old word frees nothing
    assert writer.put(first) == "no_slot"
    writer.release(*places[0])
    writer.release(*places[0])
    assert isinstance(writer.put(second), tuple)
    assert writer.put(second) == "no_slot"
    assert writer.put(np.zeros((50, 50), np.uint8)) == "too_large"
    reader.close()
    writer.close()
    near.close()
    far.close()


def test_the_reader_of_a_ring_cannot_write_into_it() -> None:
    writer = RingWriter(1, 4096)
    with pytest.raises(PermissionError):
        os.pwrite(writer.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(writer.fd, 10)
    writer.close()
