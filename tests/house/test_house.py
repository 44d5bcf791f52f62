"""Guards the walls: what vocabulary may know, and that `datasets` is ours."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import datasets
import vocabulary
from vocabulary import InspectionError, Verdict, worst

ROOT = Path(vocabulary.__file__).parent


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_vocabulary_imports_the_standard_library_and_numpy_only() -> None:
    foreign = imports_of(ROOT / "vocabulary.py") - set(sys.stdlib_module_names) - {"numpy"}
    assert foreign == set()


def test_datasets_is_ours() -> None:
    assert Path(str(datasets.__file__)).parent == ROOT / "datasets"


def test_jidoka_refuses_to_start_when_another_datasets_comes_first(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    code = "import sys; sys.path.insert(0, sys.argv.pop()); import cli; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "plc", "map", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "datasets" in done.stderr
    assert "virtual environment" in done.stderr


@pytest.mark.parametrize(
    "folder", ["camera_drivers", "plc_io", "models", "datasets", "quality", "edge", "training", "hub"]
)
def test_each_room_has_a_readme_of_one_screen(folder: str) -> None:
    lines = (ROOT / folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert 5 < len(lines) < 70


def test_the_vendor_sdks_are_imported_in_one_file_each() -> None:
    homes: dict[str, set[str]] = {name: set() for name in ("pypylon", "gi", "harvesters", "genicam", "pymodbus")}
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in ("tests", "benchmarks", ".venv", "build"):
            continue
        for name in imports_of(path) & set(homes):
            homes[name].add(path.relative_to(ROOT).as_posix())
    assert homes["pypylon"] == {"camera_drivers/basler.py"}
    assert homes["harvesters"] == homes["genicam"] == {"camera_drivers/gentl.py"}
    assert homes["gi"] == {"camera_drivers/gige.py"}
    assert {home for home in homes["pymodbus"] if "/simulate/" not in home} == {"plc_io/modbus.py"}


def test_nothing_judged_is_not_inspected_and_the_worst_verdict_wins() -> None:
    assert worst([]) is Verdict.NOT_INSPECTED
    assert worst([Verdict.OK, Verdict.RECHECK]) is Verdict.RECHECK
    assert worst([Verdict.NG, Verdict.RECHECK]) is Verdict.NG
    assert worst([Verdict.NG, Verdict.NOT_INSPECTED]) is Verdict.NOT_INSPECTED


def test_an_error_is_one_line_with_its_remedy() -> None:
    assert str(InspectionError("camera top: gone", "plug it in")) == "camera top: gone: plug it in"
