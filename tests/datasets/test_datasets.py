"""Data sets as people have them, and what is wrong with them."""

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.headers import header
from datasets.manifest import read, version
from datasets.pictures import load, load_mask
from datasets.splits import grouped_folds
from vocabulary import DataError


def save(path: Path, value: int = 100, shape: tuple[int, ...] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(shape, value, np.uint8))
    return path


def test_an_mvtec_folder_is_read_with_subsets_types_and_masks(tmp_path: Path) -> None:
    save(tmp_path / "train/good/0.png")
    save(tmp_path / "test/good/0.png")
    save(tmp_path / "test/crack/0.png")
    save(tmp_path / "ground_truth/crack/0_mask.png")
    found = read(tmp_path)
    assert [(s.label, s.subset, s.defect_type, s.mask is not None) for s in found.samples] == [
        ("ok", "train", "", False), ("ng", "test", "crack", True), ("ok", "test", "", False),
    ]  # fmt: skip
    assert len(found.of("train", "ok")) == 1


def test_a_flat_folder_holds_good_pictures_for_every_subset(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "sub/b.jpg")
    assert [s.label for s in read(tmp_path).of("train")] == ["ok", "ok"]


def test_a_csv_is_read_and_train_leaves_test_alone(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    head = "path,label,defect_type,mask,boxes,split,subset,group,extra"
    text = f"{head}\na.png,ok,,,,dev,train,g1,\nb.png,NG,dent,m.png,,dev,test,g2,x\n"
    (tmp_path / "dataset.csv").write_text(text)
    found = read(tmp_path)
    assert [s.path.name for s in found.of("train")] == ["a.png"]
    assert found.samples[1].defect_type == "dent"
    assert found.samples[1].mask == tmp_path / "m.png"


@pytest.mark.parametrize(
    ("text", "named"),
    [("path,label\na.png,maybe\n", "line 2"), ("path,label\n,ok\n", "line 2"), ("path\na.png\n", "line 2")],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "dataset.csv").write_text(text)
    with pytest.raises(DataError, match=named):
        read(tmp_path)


def test_coco_images_without_annotation_are_ok(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [{"image_id": 2, "category_id": 7, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 7, "name": "scratch deep"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    good, bad = read(tmp_path / "c.json").samples
    assert (good.label, bad.label, bad.defect_type, bad.boxes) == ("ok", "ng", "scratch deep", "1 2 4 6 scratch deep")
    (tmp_path / "c.json").write_text('{"images": 3}')
    with pytest.raises(DataError, match="COCO"):
        read(tmp_path / "c.json")


def test_nothing_there_and_an_empty_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not there"):
        read(tmp_path / "none")
    with pytest.raises(DataError, match="no pictures"):
        read(tmp_path)


def test_the_version_follows_content_and_label_not_the_place(tmp_path: Path) -> None:
    save(tmp_path / "one/a.png", 50)
    save(tmp_path / "two/a.png", 50)
    save(tmp_path / "three/a.png", 51)
    versions = [version(read(tmp_path / name).samples) for name in ("one", "two", "three")]
    assert versions[0] == versions[1] != versions[2]


def test_pictures_are_grey_or_rgb_whatever_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "c.png"
    cv2.imwrite(str(path), np.dstack([np.full((5, 6), v, np.uint8) for v in (10, 20, 30, 128)]))  # BGR and alpha
    assert load(path)[0, 0].tolist() == [30, 20, 10]
    assert load(save(tmp_path / "g.png")).shape == (20, 30)


def test_unusable_pictures_are_refused_by_name(tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), np.zeros((4, 4), np.uint16))
    broken = tmp_path / "broken.png"
    broken.write_bytes(save(tmp_path / "x.png").read_bytes()[:40])
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    for path, why in (
        (deep, "16-bit"),
        (broken, "no picture"),
        (empty, "no picture"),
        (tmp_path / "none.png", "No such file"),
    ):
        with pytest.raises(DataError, match=why) as caught:
            load(path)
        assert path.name in str(caught.value)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def tiff(order: str, colours: int, following: int) -> bytes:
    """One page of 20 × 10 written tag by tag after TIFF 6.0."""
    tags = [(256, 20), (257, 10), (262, colours)]
    body = b"".join(struct.pack(order + "HHIHxx", tag, 3, 1, value) for tag, value in tags)
    page = struct.pack(order + "H", len(tags)) + body + struct.pack(order + "I", following)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + page


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x14\x08\x00\x10\x00\x20"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (JPEG + b"\x04" + b"\x00" * 12, "CMYK"),
        (tiff("<", 5, 0), "CMYK"),
        (tiff(">", 5, 0), "CMYK"),
        (tiff("<", 1, 8), "several pages"),
        (png(20, 10, chunk(b"acTL", b"\0" * 8)), "several pages"),
        (png(60_000, 60_000), "60000×60000"),
        (png(0, 10), "0×10"),
        (b"GIF89a" + b"\0" * 60, "PNG, JPEG, BMP or TIFF"),
        (b"II*\0\xff\xff\xff\xff", "no picture"),
        (JPEG[:12], "no picture"),
    ],
)
def test_a_header_rules_a_file_out_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=why) as caught:
        load(path)
    assert "x.png" in str(caught.value)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*"]))
def test_no_bytes_whatever_break_the_header_reader(rest: bytes, start: bytes) -> None:
    found = header(start + rest)
    assert found is None or found.width >= 0


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_the_header_tells_the_size_that_the_decoder_finds(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}")
    found = header(path.read_bytes())
    assert found is not None
    assert (found.height, found.width, found.several, found.cmyk) == (*load(path).shape, False, False)


def test_good_beside_bad_without_train_is_refused_not_taught(tmp_path: Path) -> None:
    save(tmp_path / "good/a.png")
    save(tmp_path / "crack/b.png")
    with pytest.raises(DataError, match="crack, good side by side"):
        read(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mask 30×20, picture 31×20"):
        load_mask(save(tmp_path / "m.png", 255), (20, 31))


@given(st.lists(st.integers(0, 12), min_size=5, max_size=60), st.integers(2, 5))
def test_folds_hold_every_index_once_and_never_tear_a_group(numbers: list[int], folds: int) -> None:
    groups = [f"g{n}" for n in numbers]
    if len(set(groups)) < folds:
        with pytest.raises(DataError, match="groups"):
            grouped_folds(groups, folds)
        return
    held = grouped_folds(groups, folds)
    assert sorted(index for fold in held for index in fold) == list(range(len(groups)))
    homes = [{k for k, fold in enumerate(held) if any(groups[i] == group for i in fold)} for group in set(groups)]
    assert all(len(home) == 1 for home in homes)
