"""The signal map for people and for PLC projects, made from `signals.py` alone."""

import json

from plc_io import signals as s
from plc_io.fault_codes import FAULT_CODES, OTHER
from vocabulary import Verdict

BLOCKS = [  # title, first register, entries, signals
    ("PLC → vision: header", s.PLC_BASE, 1, s.PLC_HEADER),
    ("PLC → vision: trigger ring", s.TRIGGER_RING, s.TRIGGER_SLOTS, s.TRIGGER),
    ("PLC → vision: confirm ring", s.CONFIRM_RING, s.CONFIRM_SLOTS, s.CONFIRM),
    ("vision → PLC: header", s.VISION_BASE, 1, s.VISION_HEADER),
    ("vision → PLC: result ring", s.RESULT_RING, s.RESULT_SLOTS, s.RESULT),
]
CODES = [
    ("CTRL bits", s.CTRL),
    ("STATUS bits", s.STATUS),
    (f"STATUS mode (from bit {s.STATUS_MODE_SHIFT})", {mode.value: code for mode, code in s.MODES.items()}),
    ("VERDICT", {verdict.value: code for verdict, code in s.VERDICTS.items()}),
    ("WHAT", {text: code for code, text in s.WHAT.items()}),
    ("FAULT_CODE", FAULT_CODES | {"any other reason": OTHER}),
]
TIMING = """
trigger   TRIG_SEQ  n-1 | n ────────────────────────────────────────────── n+1     ring entry first, then TRIG_SEQ
vision    polls         ▓ exposes, judges                                           every ≤ 2 ms
result    RES_SEQ       ................| m (payload, then SEQ, then RES_SEQ)
PLC       ACK_SEQ       ................... | m  consumed; only a matching OK clears the part
deadline  |<──────── DEADLINE_MS ────────>|       later: counted, never applied
gate      encoder ............................................| rejected unless cleared
"""


def table() -> str:
    """Every signal with its Modbus holding register (function codes 3 and 16, zero-based)."""
    lines = [f"Signal map v{s.MAP_VERSION}. 16-bit words, u32 as two words, high word first. Sequences skip 0.", ""]
    for title, base, entries, block in BLOCKS:
        size = s.size(block)
        last = base + entries * size - 1
        lines.append(
            f"{title}: registers {base} … {last}" + (f", {entries} entries of {size} words" if entries > 1 else "")
        )
        if entries > 1:
            lines.append(f"  sequence q lies in entry (q - 1) mod {entries}; entry k begins at {base} + {size} k")
        for signal in block.values():
            kind = "u32" if signal.words == 2 else "u16"
            where = base + signal.offset if entries == 1 else f"+{signal.offset}"
            lines.append(f"  {where!s:>5} {kind} {signal.name:<16} {signal.meaning}")
        lines.append("")
    for title, codes in CODES:
        lines.append(f"{title}: " + ", ".join(f"{code} {name}" for name, code in codes.items()))
    return "\n".join([*lines, TIMING])


def as_json() -> str:
    """The same for programs."""
    blocks = [
        {
            "block": title,
            "register": base,
            "entries": entries,
            "words": s.size(block),
            "signals": [
                {"name": one.name, "offset": one.offset, "words": one.words, "meaning": one.meaning}
                for one in block.values()
            ],
        }
        for title, base, entries, block in BLOCKS
    ]
    return json.dumps({"version": s.MAP_VERSION, "blocks": blocks, "codes": dict(CODES)}, ensure_ascii=False)


def structured_text() -> str:
    """The machine's side as IEC 61131-3 Structured Text: types of this map, and the one rule that clears a part."""
    types = []
    for name, block in (
        ("JIDOKA_PLC_HEADER", s.PLC_HEADER),
        ("JIDOKA_TRIGGER", s.TRIGGER),
        ("JIDOKA_CONFIRM", s.CONFIRM),
        ("JIDOKA_VISION_HEADER", s.VISION_HEADER),
        ("JIDOKA_RESULT", s.RESULT),
    ):
        fields = [
            f"    {one.name} : {'UINT' if one.words == 1 else 'ARRAY[0..1] OF UINT'}; // {one.meaning}"
            for one in block.values()
        ]
        types.append("\n".join([f"TYPE {name} : STRUCT", *fields, "END_STRUCT END_TYPE"]))
    return "\n\n".join(types) + CONSUME


CONSUME = f"""

// Every scan. A new vision epoch clears the result ring before anything is taken from it.
IF U32(Vision.VIS_EPOCH) <> SeenEpoch THEN
    SeenEpoch := U32(Vision.VIS_EPOCH); ClearResults(); Next := 1; Plc.ACK_SEQ := 0;
    Plc.VIS_EPOCH_SEEN := Vision.VIS_EPOCH;
END_IF;
r := Results[(Next - 1) MOD {s.RESULT_SLOTS}];
IF r.SEQ = Next AND r.SEQ_AGAIN = Next THEN // complete
    part := FindOnBelt(r.TRIG_SEQ, U32(r.PART_ID)); // 0: none
    IF part <> 0 AND U32(r.PLC_EPOCH) = U32(Plc.PLC_EPOCH) AND r.VERDICT_NOT = (16#FFFF - r.VERDICT)
       AND NOT Belt[part].Judged AND NOT Belt[part].Overdue THEN
        Belt[part].Judged := TRUE;
        Belt[part].Cleared := (r.VERDICT = {s.VERDICTS[Verdict.OK]}); // nothing else lets a part pass
    ELSE
        Refused := Refused + 1;
    END_IF;
    Plc.ACK_SEQ := Next;
    IF Next = 65535 THEN Next := 1; ELSE Next := Next + 1; END_IF;
END_IF;
// At the rejecter, by encoder: IF NOT Belt[part].Cleared THEN Reject := TRUE; END_IF;
"""
