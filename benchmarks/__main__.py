"""`make bench`: a short form of every table, about a quarter of an hour; the README beside this names the long ones."""

import sys
from collections.abc import Callable

from benchmarks import change_over, health, install, ledger, line, restarts, sustained, warm

SHORT: tuple[tuple[str, Callable[[list[str]], None], list[str]], ...] = (
    ("install", lambda _: install.main(), []),
    ("line", line.main, ["--parts", "2000", "--api", "2"]),
    ("line", line.main, ["--parts", "1000", "--api", "2", "--recorder-load"]),
    ("sustained", sustained.main, ["--seconds", "10", "--step", "0.7", "--tries", "1"]),
    ("restarts", restarts.main, ["--times", "2"]),
    ("change_over", change_over.main, ["--times", "20"]),
    ("health", health.main, []),
    ("warm", warm.main, ["--gaps-s", "0.3", "3", "10", "--repeat", "3", "--parts", "300", "--rounds", "1"]),
    ("ledger", ledger.main, ["--rows", "300000"]),
)

for name, main, words in SHORT:
    sys.stdout.write(f"\n── benchmarks.{name} {' '.join(words)}\n")
    sys.stdout.flush()
    main(words)
