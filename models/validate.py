"""Validates a package in a child process with limits, so that a hostile file harms nothing but itself."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from vocabulary import InspectionError, ModelError

MEMORY_BYTES = 4 << 30
CPU_S = 60


def validate_in_child(path: Path, trust: Path | None) -> dict[str, Any]:
    """Read, load, replay the golden vectors. Returns {address, signer, golden_deviation}; raises ModelError."""
    command = [sys.executable, "-m", "models.validate", str(path), *([str(trust)] if trust else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * CPU_S)  # noqa: S603
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as err:
        why = f"the check ended with code {done.returncode}"
        raise ModelError(f"{path}: {why}", "it takes too much memory or time, or crashes: do not use it") from err
    if "what" in answer:
        raise ModelError(answer["what"], answer["remedy"])
    return answer


def main() -> None:
    """The child."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    from models.package import read_package
    from models.runner import Runner

    try:
        package = read_package(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        deviation = Runner(package).replay_golden()
    except InspectionError as err:
        print(json.dumps({"what": err.what, "remedy": err.remedy}))
        return
    print(json.dumps({"address": package.address, "signer": package.signer, "golden_deviation": deviation}))


if __name__ == "__main__":
    main()
