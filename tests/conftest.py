"""Rules for the whole suite: on the build server a skip that nobody agreed to is a failure."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("states, never durations", deadline=None)
settings.load_profile("states, never durations")

ALLOWED = Path(__file__).parent / "allowed_skips.txt"


def allowed(nodeid: str) -> bool:
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    names = [line.split("  ")[0] for line in lines if line and not line.startswith("#")]
    return any(nodeid.startswith(name[:-1]) if name.endswith("*") else nodeid == name for name in names)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI"):
        return
    for report in reporter.stats.get("skipped", []):
        if not allowed(report.nodeid):
            reporter.write_line(f"SKIPPED without leave: {report.nodeid} ({report.longrepr})", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
