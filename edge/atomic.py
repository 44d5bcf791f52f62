"""Files that a reader sees whole."""

import os
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never half of one."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk keeps no half files
        raise
