"""Pictures that are used again: into memory that was used before a copy of 1.3 MB takes 70 µs, into fresh 1.9 ms."""

import numpy as np

from vocabulary import Image


class Buffers:
    """Up to `keep` free pictures of one shape; a picture of another shape begins a new set."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self._free: list[Image] = []

    def take(self, shape: tuple[int, ...]) -> Image:
        """A picture that nobody else holds; its content is anything."""
        self._free = [one for one in self._free if one.shape == shape]
        return self._free.pop() if self._free else np.empty(shape, np.uint8)

    def give_back(self, image: Image) -> None:
        """Its lease has ended."""
        if len(self._free) < self.keep:
            self._free.append(image)


def read_only(image: Image) -> Image:
    """A view that refuses to be written."""
    view = image.view()
    view.flags.writeable = False
    return view
