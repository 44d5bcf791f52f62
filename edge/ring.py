"""Frames in shared memory: one writer (engine), one reader (recorder), a fixed number of slots.

The descriptor is passed over the socket; the seals make it read-only for the reader, whose mapping survives the
writer's death. A slot is written only after its last generation was released, so nobody ever reads half a picture.
"""

import fcntl
import mmap
import os

import numpy as np

from vocabulary import Image

SEALS = 0x0002 | 0x0004 | 0x0010  # F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE (linux/fcntl.h)
F_ADD_SEALS = 1033


class RingWriter:
    """The engine's side."""

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slots, self.slot_bytes = slots, slot_bytes
        self.fd = os.memfd_create("jidoka-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, slots * slot_bytes)
        self._map = mmap.mmap(self.fd, slots * slot_bytes)
        fcntl.fcntl(self.fd, F_ADD_SEALS, SEALS)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._bytes[:] = 0  # touch every page now, not in the first part's time
        self._free = list(range(slots))
        self._generation = [0] * slots

    def put(self, image: Image) -> tuple[int, int] | str:
        """Copy a picture into a free slot; (slot, generation), or why not: no_slot, too_large."""
        if image.nbytes > self.slot_bytes:
            return "too_large"
        if not self._free:
            return "no_slot"
        slot = self._free.pop(0)
        self._generation[slot] += 1
        start = slot * self.slot_bytes
        self._bytes[start : start + image.nbytes].reshape(image.shape)[...] = image
        return slot, self._generation[slot]

    def release(self, slot: int, generation: int) -> None:
        """The reader is done with this generation; an old or repeated word changes nothing."""
        if 0 <= slot < self.slots and self._generation[slot] == generation and slot not in self._free:
            self._free.append(slot)

    def release_all(self) -> None:
        """The reader is gone."""
        self._free = list(range(self.slots))

    def close(self) -> None:
        """Give the memory back."""
        del self._bytes
        self._map.close()
        os.close(self.fd)


class RingReader:
    """The recorder's side; owns the descriptor."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        self.slot_bytes = slot_bytes
        self._map = mmap.mmap(fd, slots * slot_bytes, prot=mmap.PROT_READ)
        os.close(fd)

    def view(self, slot: int, shape: tuple[int, ...]) -> Image:
        """A copy of what lies in the slot."""
        count = int(np.prod(shape))
        start = slot * self.slot_bytes
        return np.frombuffer(self._map, np.uint8, count, start).reshape(shape).copy()

    def close(self) -> None:
        """Give the mapping back."""
        self._map.close()
