"""`jidoka demo` as a command: what it says, what it refuses, and with which exit code."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge import demo
from edge.settings import StateFolder
from edge.supervisor import take_lock
from tests.line.conftest import JIDOKA
from vocabulary import SettingsError

KEYS = {  # design §11
    "triggers", "verdicts", "ledger_rows", "machine", "reconciled", "escape", "overkill", "balanced_accuracy",
    "latency_ms", "deadline_misses",
}  # fmt: skip


def run(state: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [*JIDOKA, "demo", "--headless", "--json", "--port", "0", "--state", str(state), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_thirty_cells_reconcile_and_end_with_0(tmp_path: Path) -> None:
    code, result = run(tmp_path / "d", "--parts", "30", "--takt-s", "0.3")
    assert (code, result["problems"]) == (0, [])
    assert set(result) >= KEYS
    assert result["triggers"] == result["verdicts"] == result["ledger_rows"] == result["machine"]["parts"] == 30
    assert set(result["latency_ms"]) == {"p50", "p99", "p999", "max"}
    assert set(result["escape"]) == {"count", "n", "upper95"}


def test_pictures_swapped_between_two_triggers_end_with_1(tmp_path: Path) -> None:
    code, result = run(tmp_path / "d", "--parts", "12", "--takt-s", "0.3", "--fault", "swap@5")
    assert (code, result["reconciled"]) == (1, False)
    assert [problem.split()[1] for problem in result["problems"]] == ["5", "6"]


def account(folder: StateFolder, verdicts: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The demo's judgment of parts with (label, verdict), where all accounts agree."""
    rows = [{"label": label, "verdict": verdict, "consumed_ms": 10.0} for label, verdict in verdicts]
    agreed = {
        "problems": [],
        "triggers": len(rows),
        "verdicts": len(rows),
        "ledger_rows": len(rows),
        "reconciled": True,
    }
    monkeypatch.setattr(demo, "read_account", lambda _: rows)
    monkeypatch.setattr(demo, "reconcile", lambda *_: agreed)
    return demo.judge(folder, folder.root / "machine.jsonl", {"timeouts": 0}, len(rows), 1.0)


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [
        ([("ok", "OK")] * 20 + [("ng", "NG")] * 20, True),
        ([("ok", "OK")] * 20 + [("ng", "OK")] * 20, False),  # always OK
        ([("ok", "NG")] * 20 + [("ng", "NG")] * 20, False),  # always NG
        ([("ok", "OK")] * 20 + [("ng", "NG")] * 7 + [("ng", "OK")] * 13, False),  # 0.675
        ([("ok", "OK")] * 5 + [("ng", "OK")] * 2, True),  # too few to say
    ],
)
def test_verdicts_that_say_little_do_not_pass(
    tmp_path: Path, verdicts: list[tuple[str, str]], passed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = account(StateFolder(tmp_path), verdicts, monkeypatch)
    assert result["passed"] is passed


def test_a_folder_that_is_no_demos_or_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SettingsError, match="not from a demo"):
        demo.fresh(StateFolder(tmp_path))
    folder = StateFolder(tmp_path / "d")
    demo.fresh(folder)
    with take_lock(folder), pytest.raises(SettingsError, match="runs here already"):
        demo.fresh(folder)
    demo.fresh(folder)
    assert (tmp_path / "mine").exists()
