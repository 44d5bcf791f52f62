"""The model package: one zip that says what it is, where it comes from, and cannot be altered unnoticed.

manifest.json names the SHA-256 of every other file; its own SHA-256 is the package's address; signature.json signs its
bytes (Ed25519). A package is read whole into memory: nothing is ever extracted.
"""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, TensorProto

from models.decision import Limits
from models.keys import SigningKey, trusted, verify
from models.picture_health import HealthLimits
from vocabulary import Image, ModelError, ScoreMap

FORMAT = 1
FILES = {"model.onnx", "golden.npz", "report.md"}  # beside manifest.json and signature.json; no other names
MOST_BYTES = 256 << 20  # of all files unpacked: a zip bomb ends here
DOMAINS = {"", "ai.onnx"}  # standard operators only, no custom code
OPSETS = range(13, 24)  # read and run by the pinned onnxruntime
OUTPUTS = {"score_map": (TensorProto.FLOAT, 2), "score": (TensorProto.FLOAT, 0)}  # element type and rank
REMEDY = "copy the package again from where it was made; the previous package stays in use"


@dataclass(frozen=True, slots=True)
class Golden:
    """A picture with the scores it had where the package was made."""

    picture: Image
    map: ScoreMap
    score: float


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was checked."""

    address: str  # SHA-256 of the manifest
    signer: str  # key id
    manifest: dict[str, Any]
    model: bytes
    golden: list[Golden]
    report: str

    @property
    def limits(self) -> Limits:
        """Where OK ends."""
        return Limits(**self.manifest["limits"])

    @property
    def health_limits(self) -> HealthLimits:
        """What a healthy picture looks like."""
        return HealthLimits(**self.manifest["picture_health"])


def write_package(
    out: Path, manifest: dict[str, Any], model: bytes, golden: list[Golden], report: str, key: SigningKey
) -> str:
    """Write, sign, and return the address. `manifest` lacks only `format` and `files`. Raises ModelError."""
    files = {"model.onnx": model, "golden.npz": pack_golden(golden), "report.md": report.encode()}
    whole = {**manifest, "format": FORMAT, "files": {name: sha256(data) for name, data in files.items()}}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    signature = {"key": key.id, "public": key.public.hex(), "ed25519": key.sign(text).hex()}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(out.name + ".tmp")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, data in [
                ("manifest.json", text),
                *files.items(),
                ("signature.json", json.dumps(signature).encode()),
            ]:
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_STORED)
        temporary.replace(out)
    except OSError as err:
        raise ModelError(f"{out}: {err.strerror}", "choose a writable place with free space") from err
    return sha256(text)


def read_package(path: Path, trust: Path | None) -> Package:
    """Check everything that can be checked without running the model. Raises ModelError naming the file.

    trust: folder of public keys that may sign; None: any valid signature, `signer` says whose.
    """
    files = unzip(path)
    try:
        manifest = json.loads(files["manifest.json"])
        signature = json.loads(files["signature.json"])
        public, signed = str(signature["public"]), bytes.fromhex(signature["ed25519"])
    except (KeyError, ValueError, TypeError, RecursionError) as err:
        raise ModelError(f"{path}: manifest or signature unreadable ({err})", REMEDY) from err
    if not verify(public, signed, files["manifest.json"]) or signature.get("key") != public[:16]:
        raise ModelError(f"{path}: signature does not fit manifest.json", REMEDY)
    if trust is not None and public not in trusted(trust):
        raise ModelError(f"{path}: signed by {public[:16]}, which is not trusted", f"put its .pub file into {trust}")
    its_format = manifest.get("format") if isinstance(manifest, dict) else None
    if its_format != FORMAT:
        raise ModelError(f"{path}: package format {its_format}, this software reads {FORMAT}", "update Jidoka")
    hashes = manifest.get("files")
    for name in sorted(FILES):
        if not isinstance(hashes, dict) or sha256(files[name]) != hashes.get(name):
            raise ModelError(f"{path}: {name} was altered or is missing", REMEDY)
    check_model(path, files["model.onnx"])
    golden = unpack_golden(path, files["golden.npz"])
    words = files["report.md"].decode(errors="replace")
    found = Package(sha256(files["manifest.json"]), public[:16], manifest, files["model.onnx"], golden, words)
    try:
        _ = found.limits, found.health_limits, [manifest["input"][key] for key in ("channels", "width", "height")]
    except (KeyError, TypeError) as err:
        raise ModelError(f"{path}: manifest.json lacks {err}", REMEDY) from err
    numbers = [found.limits.ng, found.limits.recheck or 0.0, *asdict(found.health_limits).values()]
    if not all(isinstance(number, int | float) and isfinite(number) for number in numbers):
        raise ModelError(f"{path}: manifest.json: a limit is no finite number", REMEDY)
    return found


def unzip(path: Path) -> dict[str, bytes]:
    """Every member, if the archive is exactly what it should be: known names, sane sizes, nothing beside or between."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{path}: larger than {MOST_BYTES >> 20} MiB", REMEDY)
        data = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if set(names) != FILES | {"manifest.json", "signature.json"} or len(names) != len(set(names)):
                raise ModelError(f"{path}: not a package (it holds {', '.join(names[:8])})", REMEDY)
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ModelError(f"{path}: larger than {MOST_BYTES >> 20} MiB unpacked", REMEDY)
            files = {member.filename: archive.read(member) for member in members}
    except OSError as err:
        raise ModelError(f"{path}: {err.strerror or err}", "name an existing package") from err
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as err:
        raise ModelError(f"{path}: damaged ({err})", REMEDY) from err
    if rezip(files, members) != data:
        raise ModelError(f"{path}: bytes beside its files were altered", REMEDY)
    return files


def rezip(files: dict[str, bytes], members: list[zipfile.ZipInfo]) -> bytes:
    """The archive as `write_package` makes it: any byte that differs was put there by somebody else."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(member.filename), files[member.filename], zipfile.ZIP_STORED)
    return out.getvalue()


def check_model(path: Path, data: bytes) -> None:
    """Standard operators, no data outside the file, one picture in, map and score out."""
    try:
        model = onnx.load_from_string(data)
    except Exception as err:  # protobuf's DecodeError has no common base with ours
        raise ModelError(f"{path}: model.onnx is no ONNX graph", REMEDY) from err
    graph = model.graph
    if any(one.domain not in DOMAINS for one in [*model.opset_import, *graph.node]) or model.functions:
        raise ModelError(
            f"{path}: model.onnx uses operators outside the ONNX standard", "export it with standard operators"
        )
    if any(not (one.domain in DOMAINS and one.version in OPSETS) for one in model.opset_import):
        raise ModelError(f"{path}: model.onnx is of an unknown operator set", "export it with opset 18")
    if any(attribute.g.node or attribute.graphs for node in graph.node for attribute in node.attribute):
        raise ModelError(f"{path}: model.onnx holds loops or branches", "export it as one plain graph")
    if any(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data for tensor in tensors(graph)):
        raise ModelError(f"{path}: model.onnx keeps data outside the package", "export it as one file")
    kinds = {one.name: (one.type.tensor_type.elem_type, len(one.type.tensor_type.shape.dim)) for one in graph.output}
    ranks = [len(one.type.tensor_type.shape.dim) for one in graph.input if one.name == "picture"]
    if len(graph.input) != 1 or ranks not in ([2], [3]) or kinds != OUTPUTS:
        raise ModelError(f"{path}: model.onnx has other inputs or outputs than picture → score_map, score", REMEDY)


def tensors(graph: GraphProto) -> list[TensorProto]:
    """Every stored tensor: initialisers, sparse ones, and constants inside nodes."""
    sparse = [part for one in graph.sparse_initializer for part in (one.values, one.indices)]
    inside = [
        tensor
        for node in graph.node
        for attribute in node.attribute
        for tensor in ([attribute.t] if attribute.type == AttributeProto.TENSOR else attribute.tensors)
    ]
    return [*graph.initializer, *sparse, *inside]


def pack_golden(golden: list[Golden]) -> bytes:
    """Pictures with their maps and scores as one .npz."""
    arrays: dict[str, Any] = {}
    for k, one in enumerate(golden):
        arrays |= {f"picture{k}": one.picture, f"map{k}": one.map, f"score{k}": np.float32(one.score)}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def unpack_golden(path: Path, data: bytes) -> list[Golden]:
    """The reverse; no pickles. Raises ModelError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise ModelError(f"{path}: golden.npz larger than {MOST_BYTES >> 20} MiB unpacked", REMEDY)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            count = len(arrays.files) // 3
            golden = [
                Golden(arrays[f"picture{k}"], arrays[f"map{k}"], float(arrays[f"score{k}"])) for k in range(count)
            ]
    except (ValueError, TypeError, KeyError, OSError, zlib.error, zipfile.BadZipFile) as err:
        raise ModelError(f"{path}: golden.npz unreadable", REMEDY) from err
    if not golden:
        raise ModelError(f"{path}: no golden vectors", "teach it again")
    return golden


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """What a person wants to know of a package."""
    package = read_package(path, None)
    return {"address": package.address, "signer": package.signer, **package.manifest}


def limits_as_dict(limits: Limits) -> dict[str, Any]:
    """For the manifest."""
    return asdict(limits)
