"""What a page is told of a part: the ledger row's words, and the score map as bytes that a browser can paint."""

from typing import Any

import msgspec
import numpy as np

from edge.messages import GateState, Live, Why

SHOWN = (
    "part", "utc", "mode", "verdict", "judged", "disposition", "reasons", "tools", "recipe", "deadline_us", "laps_us",
)  # fmt: skip
UNKNOWN_TOP = 1e-6  # of a map without a limit that is zero everywhere


def gate_view(gate: GateState) -> dict[str, Any]:
    """The gate's state with its reasons as objects."""
    view = msgspec.structs.asdict(gate)
    view["alarms"] = [msgspec.structs.asdict(alarm) for alarm in gate.alarms]
    return {**view, "unmet": [reason(why) for why in gate.unmet], "banner": [reason(why) for why in gate.banner]}


def reason(why: Why) -> dict[str, str]:
    """A reason as a page reads it."""
    return {"code": why.code, "text": why.text}


def part_view(live: Live) -> dict[str, Any]:
    """The part as pages and `/api/state` show it."""
    view = row_view(live.body)
    if live.picture is not None and view["picture"] is not None:
        view["picture"]["sha256"] = live.picture
    view["map"] = heat(live, worst_tool(live.body["tools"]))
    return view


def row_view(body: dict[str, Any]) -> dict[str, Any]:
    """A ledger row without what only auditors need."""
    view = {name: body.get(name) for name in SHOWN}
    pictures = body["pictures"]
    view["picture"] = (
        {name: pictures[0][name] for name in ("sha256", "camera", "width", "height")} if pictures else None
    )
    view["plc_part_id"] = body["plc"]["part_id"]
    view["tool"] = worst_tool(body["tools"])
    del view["tools"]
    return view


def worst_tool(tools: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The tool that is farthest above its limit, or nearest below; its score and limit are the ones that are shown."""
    judged = [tool for tool in tools if tool["score"] is not None and tool["limit"]]
    return max(judged, key=lambda tool: float(tool["score"] / tool["limit"]), default=None)


def heat(live: Live, tool: dict[str, Any] | None) -> dict[str, Any] | None:
    """The score map in 256 steps from 0 to `top`, which is twice the limit: half way up the scale is the limit."""
    if live.map_shape is None:
        return None
    scores = np.frombuffer(live.map_f32, np.float32)
    top = 2 * float(tool["limit"]) if tool else max(float(scores.max(initial=0)), UNKNOWN_TOP)
    steps = np.clip(np.nan_to_num(scores) / top * 255, 0, 255).astype(np.uint8)
    return {"height": live.map_shape[0], "width": live.map_shape[1], "top": top, "steps": steps.tobytes()}
