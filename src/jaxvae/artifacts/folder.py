"""Writes a folder with the encoder and the decoder of a run, and a description of both.

encoder.stablehlo  decoder.stablehlo   what `jax.export.deserialize` opens
encoder.onnx       decoder.onnx
export.json                            inputs, outputs, their meaning, and versions
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvae.artifacts.formats import DESCRIPTION, FORMATS, check_export
from jaxvae.artifacts.onnx_check import onnx_error
from jaxvae.artifacts.parts import Part, Port, parts_of
from jaxvae.artifacts.stablehlo import PLATFORMS, to_stablehlo
from jaxvae.errors import UserError
from jaxvae.keys import key_for
from jaxvae.runs.run import Loaded, versions
from jaxvae.system.whole_folder import write_whole_folder

FORMAT_VERSION = 1
CHECKED = 3  # Images that the ONNX files are compared with the model on.


def export_run(
    loaded: Loaded, folder: str | Path, formats: Sequence[str] = FORMATS, overwrite: bool = False
) -> dict[str, Any]:
    """Writes encoder and decoder to a folder, and returns the contents of its export.json.

    Args:
        loaded: the model.
        folder: the folder to create.
        formats: "stablehlo", "onnx" or both. ONNX files are compared with the model before they are written.
        overwrite: replace another export.

    Raises:
        UserError: the folder exists, a package is missing, or the model has no ONNX form.
    """
    folder = Path(folder)
    check_export(folder, formats, overwrite)
    kind = loaded.info.config.model.kind
    contents: dict[str, bytes] = {}
    described = {}
    for part, inputs in zip(parts_of(loaded), examples(loaded), strict=True):
        files, differences = {}, {}
        for each in formats:
            files[each] = name = f"{part.name}.{each}"
            if each == "stablehlo":
                contents[name] = to_stablehlo(part, kind)
            else:
                contents[name], difference = checked_onnx(part, kind, inputs)
                differences = {"onnx_difference": difference}
        described[part.name] = _described(part, files) | differences
    about = {
        "format_version": FORMAT_VERSION, "run": loaded.info.run.resolve().name, "step": loaded.info.step,
        "parameters": loaded.info.parameters, "model": kind,
        "data": loaded.info.data["name"], "image_shape": list(loaded.info.shape), "pixel_range": [0.0, 1.0],
        "axes": ["b", "h", "w", "c"], **described, "stablehlo_platforms": list(PLATFORMS), "versions": versions(),
    }  # fmt: skip
    with write_whole_folder(folder) as partial:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        (partial / DESCRIPTION).write_text(json.dumps(about, indent=2, allow_nan=False) + "\n")
    return about


def onnx_bytes(part: Part, kind: str) -> bytes:
    """Returns a part as the content of an ONNX file; raises UserError if it has no ONNX form or is too large."""
    from jaxvae.artifacts.onnx_translation import to_onnx

    model = to_onnx(part, kind)
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:  # protobuf's limit.
        raise UserError(f"the {part.name} is larger than the 2 GB of an ONNX file; use --as stablehlo.") from error


def checked_onnx(part: Part, kind: str, inputs: Sequence[np.ndarray]) -> tuple[bytes, float]:
    """Returns a part as the content of an ONNX file, and its difference from the model; raises as `onnx_error`."""
    content = onnx_bytes(part, kind)
    return content, onnx_error(content, part, *inputs)


def examples(loaded: Loaded) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns inputs of the encoder, and of the decoder: noise, and draws from the model's prior."""
    vae, params, info = loaded
    images = np.random.default_rng(0).uniform(size=(CHECKED, *info.shape)).astype(np.float32)
    codes = jax.jit(lambda params, key: vae.prior(params).sample(key, (CHECKED,)))(params, key_for("sample", 0))
    return [images], [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(codes)]


def _described(part: Part, files: dict[str, str]) -> dict[str, Any]:
    def ports(which: Sequence[Port]) -> list[dict[str, Any]]:
        return [{"name": port.name, "shape": ["b", *port.shape], "dtype": "float32", "meaning": port.meaning}
                for port in which]  # fmt: skip

    return {"files": files, "inputs": ports(part.inputs), "outputs": ports(part.outputs)}
