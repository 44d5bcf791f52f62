"""A package that was touched, or that is not what it says, is refused; the right one scores the same everywhere."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.graph import (
    CHANNELS,
    FEATURES,
    Positions,
    features_graph,
    gaussian_distance,
    nearest_distance,
    scoring_graph,
)
from models.keys import station_key
from models.package import MOST_BYTES, Golden, Package, read_package, unpack_golden, write_package
from models.runner import Runner
from models.validate import validate_in_child
from tests.models.conftest import manifest, texture
from vocabulary import DataError, ModelError


def test_a_whole_package_is_read_and_its_golden_vectors_replay(made: Path) -> None:
    package = read_package(made, made.parent / "trust")
    assert Runner(package).replay_golden() <= 1e-6
    assert package.limits.ng == 30.0
    assert len(package.address) == 64


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_altered_byte_anywhere_is_refused(made: Path, tmp_path: Path, place: float, flip: int) -> None:
    data = bytearray(made.read_bytes())
    data[int(place * len(data))] ^= flip
    path = tmp_path / "altered.jdk"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"altered\.jdk"):
        read_package(path, made.parent / "trust")


@pytest.mark.parametrize("part", ["central", "start", "cut", "more"])
def test_altered_ends_of_the_archive_are_refused(made: Path, tmp_path: Path, part: str) -> None:
    data = bytearray(made.read_bytes())
    if part == "central":
        data[-60] ^= 1
    elif part == "start":
        data[0] ^= 1
    elif part == "cut":
        data = data[:-1]
    else:
        data += b"x"
    path = tmp_path / "altered.jdk"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        read_package(path, made.parent / "trust")


def rewritten(made: Path, out: Path, **changes: bytes) -> Path:
    """The package with members replaced and the rest as it was, in the archive's own form."""
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            new.writestr(zipfile.ZipInfo(member.filename), changes.get(member.filename, old.read(member)))
    return out


def test_a_manifest_changed_with_all_hashes_right_still_lacks_the_signature(made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        content = json.loads(archive.read("manifest.json"))
    content["limits"]["ng"] = 1000.0
    path = rewritten(made, tmp_path / "p.jdk", **{"manifest.json": json.dumps(content).encode()})
    with pytest.raises(ModelError, match="signature"):
        read_package(path, None)


def test_a_stranger_s_signature_is_refused_until_the_key_is_trusted(made: Path, tmp_path: Path) -> None:
    stranger = station_key(tmp_path)
    with pytest.raises(ModelError, match="not trusted"):
        read_package(made, tmp_path / "trust")
    assert read_package(made, None).signer != stranger.id
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no public keys"):
        read_package(made, tmp_path / "empty")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all" * 100])
def test_a_file_that_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jdk"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.jdk"):
        read_package(path, None)


def test_a_package_that_would_fill_the_memory_when_unpacked_is_refused(made: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jdk"
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(MOST_BYTES) if name == "model.onnx" else old.read(name))
    assert bomb.stat().st_size < MOST_BYTES // 100
    with pytest.raises(ModelError, match=r"bomb\.jdk: larger than .* unpacked"):
        read_package(bomb, None)


def test_a_package_of_another_format_is_refused(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = read_package(made, None)
    with monkeypatch.context() as older:
        older.setattr("models.package.FORMAT", 0)
        write_package(tmp_path / "old.jdk", package.manifest, package.model, package.golden, "r", station_key(tmp_path))
    with pytest.raises(ModelError, match=r"old\.jdk: package format 0, this software reads 1"):
        read_package(tmp_path / "old.jdk", None)


def signed(tmp_path: Path, model: onnx.ModelProto | bytes, golden: list[Golden] | None = None) -> Path:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    zeros = np.zeros((32, 32), np.float32)
    path = tmp_path / "p.jdk"
    write_package(path, manifest(), data, golden or [Golden(texture(0), zeros, 0.0)], "r", station_key(tmp_path))
    return path


def test_a_model_with_outside_data_or_foreign_operators_is_refused(
    tmp_path: Path, bank: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    outside = scoring_graph(1, nearest_distance(bank))
    tensor = outside.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(ModelError, match="outside the package"):
        read_package(signed(tmp_path, outside), None)
    foreign = scoring_graph(1, nearest_distance(bank))
    foreign.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))
    with pytest.raises(ModelError, match="outside the ONNX standard"):
        read_package(signed(tmp_path, foreign), None)
    with pytest.raises(ModelError, match="no ONNX graph"):
        read_package(signed(tmp_path, b"\x00garbage"), None)
    with pytest.raises(ModelError, match="inputs or outputs"):
        read_package(signed(tmp_path, features_graph(1)), None)


def test_outside_data_inside_a_node_a_branch_and_an_unknown_operator_set_are_refused(
    tmp_path: Path, bank: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    hidden = scoring_graph(1, nearest_distance(bank))
    value = onnx.helper.make_tensor("v", onnx.TensorProto.FLOAT, [1], [1.0])
    value.data_location = onnx.TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../secret")
    hidden.graph.node.append(onnx.helper.make_node("Constant", [], ["unused"], value=value))
    with pytest.raises(ModelError, match="outside the package"):
        read_package(signed(tmp_path, hidden), None)
    branch = scoring_graph(1, nearest_distance(bank))
    inner = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["score"], ["y"])], "inner", [], [])
    branch.graph.node.append(onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))
    with pytest.raises(ModelError, match="loops or branches"):
        read_package(signed(tmp_path, branch), None)
    newer = scoring_graph(1, nearest_distance(bank))
    newer.opset_import[0].version = 999
    with pytest.raises(ModelError, match="operator set"):
        read_package(signed(tmp_path, newer), None)


@pytest.mark.parametrize("lacking", ["limits", "picture_health", "input"])
def test_a_signed_manifest_that_lacks_something_is_refused(made: Path, tmp_path: Path, lacking: str) -> None:
    package = read_package(made, None)
    poor = {key: value for key, value in package.manifest.items() if key != lacking}
    write_package(tmp_path / "p.jdk", poor, package.model, package.golden, "r", station_key(tmp_path))
    with pytest.raises(ModelError, match=lacking):
        read_package(tmp_path / "p.jdk", None)


def test_golden_pictures_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("picture0.npy", bytes(MOST_BYTES + 1))
    assert len(out.getvalue()) < 1 << 20
    with pytest.raises(ModelError, match="unpacked"):
        unpack_golden(tmp_path / "p.jdk", out.getvalue())


def test_the_gaussian_graph_scores_as_computed_by_hand() -> None:
    chance = np.random.default_rng(8)
    mean = chance.normal(0, 1, CHANNELS).astype(np.float32)
    mixing = chance.normal(0, 0.1, (CHANNELS, CHANNELS)).astype(np.float32)
    usual, spread = chance.uniform(10, 20, (2, 32, 32)).astype(np.float32)
    image = texture(78)
    session = onnxruntime.InferenceSession(features_graph(1).SerializeToString())
    patches = np.asarray(session.run([FEATURES], {"picture": image})[0], np.float64).reshape(CHANNELS, -1).T
    inverse = mixing.astype(np.float64) @ mixing.T.astype(np.float64)
    off = patches - mean
    distance = np.sqrt(np.einsum("pc,cd,pd->p", off, inverse, off)).reshape(32, 32)
    alike = (distance - usual) / spread * spread.mean() + usual.mean()
    expected = np.array(
        [[alike[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean() for x in range(32)] for y in range(32)]
    )
    graph = scoring_graph(1, gaussian_distance(mean, mixing), Positions(usual, spread))
    found = Runner(Package("", "", manifest(), graph.SerializeToString(), [], "")).infer(image)
    assert np.abs(found.map - expected).max() <= 1e-4 * max(1, expected.max())
    assert found.score == pytest.approx(expected.max(), rel=1e-5)


def test_a_model_that_gives_nan_is_refused(tmp_path: Path, bank: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    package = read_package(signed(tmp_path, scoring_graph(1, nearest_distance(bank * np.float32(np.inf)))), None)
    with pytest.raises(ModelError, match="NaN"):
        Runner(package).infer(texture(0))


def test_golden_vectors_that_do_not_repeat_are_refused_also_in_the_child(
    tmp_path: Path, bank: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    path = signed(tmp_path, scoring_graph(1, nearest_distance(bank)))  # its golden scores are made up: zero
    with pytest.raises(ModelError, match="golden picture 0"):
        Runner(read_package(path, None)).replay_golden()
    with pytest.raises(ModelError, match="golden picture 0"):
        validate_in_child(path, tmp_path / "trust")


def test_the_child_passes_a_good_package(made: Path) -> None:
    assert validate_in_child(made, made.parent / "trust")["golden_deviation"] <= 1e-6


def test_the_graph_scores_as_the_nearest_distance_computed_by_hand(bank: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    image = texture(77)
    features = onnxruntime.InferenceSession(features_graph(1).SerializeToString()).run([FEATURES], {"picture": image})[
        0
    ]
    patches = np.asarray(features, np.float64).reshape(CHANNELS, -1).T
    distance = np.linalg.norm(patches[:, None] - bank[None].astype(np.float64), axis=2).min(axis=1).reshape(32, 32)
    expected = np.empty((32, 32))
    for y in range(32):
        for x in range(32):
            expected[y, x] = distance[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean()
    package = Package("", "", manifest(), scoring_graph(1, nearest_distance(bank)).SerializeToString(), [], "")
    found = Runner(package).infer(image)
    assert np.abs(found.map - expected).max() <= 1e-4 * max(1, expected.max())
    assert found.score == pytest.approx(expected.max(), rel=1e-5)


@pytest.mark.parametrize("shape", [(91, 120), (90, 121), (90, 120, 3)])
def test_a_picture_of_another_size_or_kind_names_both(made: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="taught were 120×90 with 1"):
        Runner(read_package(made, None)).infer(texture(1, shape))
