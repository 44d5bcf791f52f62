"""A PLC written from the printed map: register numbers are typed by hand, no code of `plc_io` is used."""

from collections.abc import Sequence

from vocabulary import DeviceTimeout

EPOCH, TRIG_SEQ, ACK, SEEN, PARTS = 3, 7, 9, 10, 16
TRIGGERS, RESULTS, VISION_EPOCH = 40, 1020, 1003


class PlcModel:
    """Memory, and the program that triggers parts and consumes results."""

    def __init__(self) -> None:
        self.w = [0] * 2000
        self.epoch = 70_000
        self.parts = 0
        self.triggers: dict[int, tuple[int, int]] = {}  # PARTS → (epoch, number) of each trigger ever given
        self.cleared: set[tuple[int, int]] = set()  # (epoch, part id)
        self.applied: list[tuple[int, int]] = []
        self.refused = 0
        self.failures: list[str] = []  # what happens to the next requests: "", "lost", "late"
        self.power_up()

    def power_up(self) -> None:
        self.w = [0] * 2000
        self.epoch += 1
        self.number = 0
        self.next = 1
        self.vision = 0
        self.belt: dict[int, tuple[int, int]] = {}  # part id → (sequence, epoch)
        self.w[0], self.w[1] = 1, 1
        self.long(EPOCH, self.epoch)
        self.long(PARTS, self.parts)

    def long(self, at: int, value: int) -> None:
        self.w[at : at + 2] = [value // 65536, value % 65536]

    def read_long(self, at: int) -> int:
        return self.w[at] * 65536 + self.w[at + 1]

    def sequence(self) -> int:
        return (self.number - 1) % 65535 + 1

    def trigger(self, *, torn: bool = False) -> None:
        self.number += 1
        self.parts += 1
        self.triggers[self.parts] = self.epoch, self.number
        at = TRIGGERS + (self.sequence() - 1) % 32 * 7
        self.w[at : at + 7] = [self.sequence(), 0, 0, 0, 0, 0, 0 if torn else self.sequence()]
        self.long(at + 1, self.parts)
        self.w[TRIG_SEQ] = self.sequence()
        self.long(PARTS, self.parts)
        self.belt[self.parts] = (self.sequence(), self.epoch)

    def mend(self) -> None:
        for slot in range(32):
            self.w[TRIGGERS + slot * 7 + 6] = self.w[TRIGGERS + slot * 7]

    def scan(self) -> None:
        self.w[2] = (self.w[2] + 1) % 65536
        epoch = self.read_long(VISION_EPOCH)
        if epoch != self.vision:
            self.w[RESULTS : RESULTS + 96] = [0] * 96
            self.vision, self.next, self.w[ACK] = epoch, 1, 0
            self.long(SEEN, epoch)
        while True:
            at = RESULTS + (self.next - 1) % 8 * 12
            entry = self.w[at : at + 12]
            if entry[0] != self.next or entry[11] != self.next:
                return
            part = entry[4] * 65536 + entry[5]
            its = (entry[3], entry[1] * 65536 + entry[2])
            if self.belt.get(part) == its and entry[6] in (1, 2, 3, 4) and entry[6] + entry[7] == 65535:
                self.applied.append((self.epoch, part))
                if entry[6] == 1:
                    self.cleared.add((self.epoch, part))
            else:
                self.refused += 1
            self.w[ACK] = self.next
            self.next = self.next % 65535 + 1


class WireToModel:
    """A link that loses requests or their answers when told to."""

    name = "plc model"

    def __init__(self, plc: PlcModel) -> None:
        self.plc = plc
        self.is_open = False

    def open(self) -> None:
        self.fail()
        self.is_open = True

    def read(self, address: int, count: int) -> list[int]:
        assert self.is_open
        assert count <= 125
        self.fail()
        return self.plc.w[address : address + count]

    def write(self, address: int, words: Sequence[int]) -> None:
        assert self.is_open
        assert all(0 <= word < 65536 for word in words)
        late = self.plc.failures[:1] == ["late"]  # the request arrives, its answer does not
        if late:
            self.plc.w[address : address + len(words)] = list(words)
        self.fail()
        self.plc.w[address : address + len(words)] = list(words)

    def close(self) -> None:
        self.is_open = False

    def fail(self) -> None:
        if self.plc.failures and self.plc.failures.pop(0):
            self.is_open = False
            raise DeviceTimeout(self.name, "made to fail")
