"""From clone to a base install: how long it takes, how large it is."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def size_mb(folder: Path) -> float:
    """What the files in a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def main() -> None:
    """Install the base into a fresh environment and print size and time."""
    with tempfile.TemporaryDirectory(prefix="jidoka-install-") as root:
        began = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), f"{root}/clone"], check=True)
        subprocess.run([sys.executable, "-m", "venv", f"{root}/venv"], check=True)
        empty = size_mb(Path(root) / "venv")
        pip = [
            f"{root}/venv/bin/pip",
            "install",
            "--quiet",
            "--constraint",
            f"{root}/clone/constraints.txt",
            f"{root}/clone",
        ]
        subprocess.run(pip, check=True)
        whole = size_mb(Path(root) / "venv")
        print(f"clone + base install: {time.monotonic() - began:.0f} s")
        print(f"base install: {whole - empty:.0f} MB beside an empty environment of {empty:.0f} MB")
        for folder in sorted((Path(root) / "venv/lib").glob("python*/site-packages/*"), key=lambda p: -size_mb(p))[:8]:
            print(f"  {size_mb(folder):6.0f} MB {folder.name}")


if __name__ == "__main__":
    main()
