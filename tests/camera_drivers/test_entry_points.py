"""A driver that somebody else installed, through the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ACME = """
from camera_drivers.camera import CameraInfo
from camera_drivers.folder import FolderCamera


class AcmeCamera(FolderCamera):
    @property
    def info(self):
        return CameraInfo("acme:1", "Acme", "Eye", "1", "acme")


def discover():
    return [CameraInfo("acme:1", "Acme", "Eye", "1", "acme")]
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder like site-packages with the package `acme-cameras`."""
    (tmp_path / "acme_cameras.py").write_text(ACME)
    about = tmp_path / "acme_cameras-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-cameras\nVersion: 1.0\n")
    schemes = ["acme = acme_cameras:AcmeCamera", "sim = acme_cameras:AcmeCamera"]
    broken = ["gone = no_such_module:X", "nameless = acme_cameras:X"]
    (about / "entry_points.txt").write_text("\n".join(["[jidoka.cameras]", *schemes, *broken]))
    return tmp_path


def jidoka(installed: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, env=environment)


def test_its_scheme_is_a_camera(installed: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), np.full((8, 8), 7, np.uint8))
    done = jidoka(
        installed, "camera", "grab", f"acme:{pictures}", "--count", "1", "--out", str(tmp_path / "o"), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["camera"]["vendor"] == "Acme"


def test_it_is_listed_and_takes_no_scheme_of_ours(installed: Path) -> None:
    found = json.loads(jidoka(installed, "camera", "list", "--json").stdout.splitlines()[-1])["cameras"]
    assert "acme:1" in [one["uri"] for one in found]
    ours = json.loads(jidoka(installed, "camera", "list", "sim", "--json").stdout.splitlines()[-1])["cameras"]
    assert {one["driver"] for one in ours} == {"sim"}


@pytest.mark.parametrize(("scheme", "why"), [("gone", "no_such_module"), ("nameless", "no X")])
def test_a_broken_package_is_named_in_one_line(installed: Path, scheme: str, why: str) -> None:
    done = jidoka(installed, "camera", "probe", f"{scheme}:1")
    assert done.returncode != 0
    assert why in done.stderr
    assert "Traceback" not in done.stderr
