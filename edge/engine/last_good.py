"""The last package that loaded for each tool: a file that is harmed or replaced by rubbish does not stop the line."""

import json
from pathlib import Path

from edge.atomic import replace
from edge.messages import Why
from models.package import read_package
from models.runner import Runner
from vocabulary import InspectionError


class LastGood:
    """Copies in `packages/good/`, named by content; `index.json` says which recipe and tool had which."""

    def __init__(self, folder: Path, trust: Path) -> None:
        self.folder, self.trust = folder, trust
        self.index = folder / "index.json"

    def load(self, name: str, path: Path) -> tuple[Runner, Why | None]:
        """The package at `path`, or the last good one of this tool with why. Raises ModelError: there is neither."""
        try:
            runner = load_runner(path, self.trust)
        except InspectionError as err:
            kept = self._kept().get(name)
            if kept is None:
                raise
            runner = load_runner(self.folder / kept, self.trust)
            return runner, Why("package_kept", f"{err}; the last good package of {name} is in use")
        self._keep(name, path, f"{runner.package.address}.jdk")
        return runner, None

    def _kept(self) -> dict[str, str]:
        try:
            found = json.loads(self.index.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _keep(self, name: str, path: Path, kept: str) -> None:
        """A full disk keeps no copy: the package that is there runs all the same."""
        index = self._kept()
        if index.get(name) == kept and (self.folder / kept).is_file():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace(self.folder / kept, path.read_bytes())
            index[name] = kept
            replace(self.index, json.dumps(index, indent=1).encode())
        except OSError:
            return
        for old in self.folder.glob("*.jdk"):
            if old.name not in index.values():
                old.unlink(missing_ok=True)


def load_runner(path: Path, trust: Path) -> Runner:
    """A package that is whole, signed by a trusted key, and scores here as it did where it was taught."""
    runner = Runner(read_package(path, trust))
    runner.warm_up()
    runner.replay_golden()
    return runner
