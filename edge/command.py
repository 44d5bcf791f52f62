"""How people tell a running station something: first the audit trail, then the gate, then what came of it."""

import getpass
import json
import os
import select
import time
from collections.abc import Iterator
from typing import Any

from msgspec.structs import asdict

from edge.audit import Audit
from edge.channel import Channel, ChannelClosed, connect
from edge.messages import LONGEST, Command, Commanded, GateState, Hello
from edge.process import new_epoch
from edge.recorder.verify import query
from edge.settings import StateFolder
from vocabulary import LedgerError, SettingsError

ANSWER_S = 5.0


def command(
    state: StateFolder,
    what: str,
    name: str = "",
    value: str = "",
    *,
    for_s: float | None = None,
    why: str,
    who: str = "",
    to: str = "gate",
) -> dict[str, Any]:
    """Send one command. Raises SettingsError (no station, no reason given), LedgerError (not done: no audit row)."""
    if max(len(text) for text in (name, value, why, who)) > LONGEST:
        raise SettingsError("a word of the command", f"at most {LONGEST} characters")
    if any(not text.isprintable() for text in (name, value, why, who)):
        raise SettingsError("a word of the command", "plain characters in one line: they go into the audit trail")
    if not why.strip():
        raise SettingsError("--why", "say why: it goes into the audit trail")
    who = who.strip() or user()
    gate = greet(state, "command", to)
    audit = Audit(state.station_db)
    try:
        more = {"name": name, "value": value, "for_s": for_s, "why": why}
        entry, digest = audit.append(who, what, **more, ledger=ledger_head(state))
        answer = ask(gate, Command(1, entry, digest, who, what, name, value, for_s, why))
        done = answer is not None and answer.done
        text = answer.text if answer else f"the {to} did not answer within {ANSWER_S:g} s: see logs/{to}.jsonl"
        audit.append(who, "outcome", of=entry, done=done, text=text)
    finally:
        gate.close()
        audit.close()
    return {"done": done, "text": text, "audit": entry}


def user() -> str:
    """Who runs this shell; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def look(state: StateFolder) -> GateState:
    """The gate's state now. Raises SettingsError: no station runs here."""
    gate = greet(state, "web")
    try:
        answer: GateState | None = wait_for(gate, GateState)
    finally:
        gate.close()
    if answer is None:
        raise SettingsError(f"state folder {state.root}: the gate says nothing", "see logs/gate.jsonl")
    return answer


def status(state: StateFolder) -> dict[str, Any]:
    """What `jidoka station status` prints."""
    its = look(state)
    return {
        "mode": its.mode,
        "wanted_mode": its.wanted_mode,
        "mode_left_s": its.mode_left_s,
        "ready": its.ready,
        "unmet": [{"code": why.code, "text": why.text} for why in its.unmet],
        "banner": [{"code": why.code, "text": why.text} for why in its.banner],
        "recipe": its.recipe,
        "recipes": {name: number for number, name in its.recipes.items()},
        "forced": its.forced,
        "alarms": [asdict(alarm) for alarm in its.alarms],
        "counts": its.counts,
    }


def status_text(status: dict[str, Any]) -> str:
    """The same in words."""
    left = f" for {status['mode_left_s']:.0f} s" if status["mode_left_s"] is not None else ""
    lines = [
        f"mode {status['mode']}{left}, recipe {status['recipe'] or 'none'}, "
        + ("READY" if status["ready"] else "NOT READY")
    ]
    lines += [f"  not ready: {why['text']}" for why in status["unmet"]]
    lines += [f"  FORCED: {signal} = {value}" for signal, value in status["forced"].items()]
    for alarm in status["alarms"]:
        lines.append(f"  alarm {alarm['priority']} {alarm['key']} ({alarm['state']}): {alarm['text']}")
        lines.append(f"    what to do: {alarm['action']}")
    return "\n".join(lines)


def greet(state: StateFolder, role: str, to: str = "gate") -> Channel:
    """A channel to the gate, or to the recorder."""
    gate = connect(state.socket(to))
    if gate is None:
        raise SettingsError(f"state folder {state.root}: no station runs here", "jidoka run STATION.toml --state DIR")
    try:
        gate.send(Hello(role, new_epoch(), os.getpid()))
    except ChannelClosed as err:
        raise SettingsError(f"state folder {state.root}: the {to} is being restarted", "try again") from err
    return gate


def ask(gate: Channel, command: Command) -> Commanded | None:
    """Send and wait for the outcome."""
    try:
        gate.send(command)
    except ChannelClosed:
        return None
    return wait_for(gate, Commanded)


def wait_for(gate: Channel, kind: type[Any]) -> Any | None:
    """The next message of this kind; None when none comes in time or the gate is gone."""
    until = time.monotonic() + ANSWER_S
    while (left := until - time.monotonic()) > 0:
        try:
            select.select([gate], [], [], left)
            while (message := gate.receive()) is not None:
                if isinstance(message, kind):
                    return message
        except ChannelClosed:
            return None
    return None


def audit_rows(state: StateFolder) -> dict[str, Any]:
    """The whole trail, verified, also against the ledger's rows of commands. Raises LedgerError."""
    if not state.station_db.is_file():
        raise LedgerError(f"{state.station_db}: no audit trail", "nothing was ever commanded at this station")
    audit = Audit(state.station_db)
    try:
        found, rows = audit.verify(named_by(state)), audit.rows()
    finally:
        audit.close()
    for row in rows:
        check_head(state, row)
    return {**found, "rows": rows}


def ledger_head(state: StateFolder) -> list[int | str] | None:
    """Number and hash of the ledger's last row: who cuts rows off must change the audit trail too."""
    if not state.ledger.is_file():
        return None
    last = list(query(state.ledger, "SELECT entry, hash FROM entry ORDER BY entry DESC LIMIT 1"))
    return list(last[0]) if last else None


def check_head(state: StateFolder, row: dict[str, Any]) -> None:
    """The ledger still has the row that was its last one at this command. Raises LedgerError."""
    if noted := row.get("ledger"):
        entry, digest = int(noted[0]), noted[1]
        found = list(query(state.ledger, f"SELECT hash FROM entry WHERE entry = {entry}"))  # noqa: S608  a number
        if [digest] != [one for (one,) in found]:
            what = f"{state.ledger}: row {entry} is not the one that audit row {row['entry']} names"
            raise LedgerError(what, "rows were cut off or written anew: restore the ledger")


def named_by(state: StateFolder) -> Iterator[tuple[int, str]]:
    """Audit rows that the ledger names: number, hash."""
    if state.ledger.is_file():
        for (text,) in query(state.ledger, "SELECT body FROM entry WHERE kind = 'event' ORDER BY entry"):
            if "audit_hash" in (body := json.loads(text)):
                yield body["audit"], body["audit_hash"]
