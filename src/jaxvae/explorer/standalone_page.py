"""Writes the explorer as a folder that any static host serves: the decoder runs in the browser.

index.html, *.css, *.js      the page; its server.js computes what the command would answer
decoder.onnx                 the decoder
onnxruntime/                 what runs it, from the npm package onnxruntime-web
explorer.json  arrays.bin    what the run offers; its codes, directions and priors, float32 one after the other
faces/                       images of the test split
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxvae.artifacts.folder import checked_onnx, examples
from jaxvae.artifacts.parts import parts_of
from jaxvae.data.pixels import scale
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import psnr
from jaxvae.explorer import moves
from jaxvae.explorer.about import about
from jaxvae.explorer.ends import End
from jaxvae.explorer.exports import grid_png
from jaxvae.explorer.mixtures import Mixture, as_mixture
from jaxvae.explorer.onnxruntime_web import DESCRIPTION
from jaxvae.explorer.page_files import FACES, PAGE, PAGE_FILES, STANDALONE, STANDALONE_FILES
from jaxvae.explorer.session import Session, open_session
from jaxvae.runs.run import Loaded, prior_of
from jaxvae.system.whole_folder import write_whole_folder

UNITS = 10  # With a slider each.
PATHS = ("linear", "spherical")  # The others need the prior's quantiles, or gradients of the decoder.


def write_page(
    loaded: Loaded, folder: Path, runtime: dict[str, bytes], data: Path | None = None, faces: int = FACES
) -> dict[str, Any]:
    """Writes the page of a run to a folder, which must not exist, be empty, or be the page of another.

    Args:
        loaded: The model.
        folder: The folder to write.
        runtime: The files of onnxruntime-web, by name.
        data: The prepared dataset, if it has moved since the run was trained.
        faces: Number of images of the test split that become part of the page; the page can be seen by others.

    Returns:
        What the page offers: its images, priors and sliders.

    Raises:
        UserError: If the decoder has no ONNX form, or there is nothing to show.
    """
    session = open_session(loaded, data, UNITS)
    ends = _faces(session, faces)
    priors = _priors(loaded)
    if not ends and not priors:
        raise UserError(
            f"{loaded.info.run} has nothing for a page to show: no images of its data set, and no prior of Gaussians."
        )
    decoder = parts_of(loaded)[1]
    model, _ = checked_onnx(decoder, loaded.info.config.model.kind, examples(loaded)[1])
    arrays, sliders = _slider_arrays(session)
    if ends:
        arrays["codes"] = np.stack([end.row for end in ends])
    for name, prior in priors.items():
        arrays |= {f"{name}:{part}": array for part, array in prior._asdict().items()}
    inputs = [{"name": port.name, "shape": list(port.shape)} for port in decoder.inputs]
    described: dict[str, Any] = {
        "about": _about(session, ends, list(priors)), "faces": _psnr(loaded, ends), "inputs": inputs,
        "units": int(sum(np.prod(port.shape) for port in decoder.inputs)), "sliders": sliders,
        "arrays": _places(arrays),
    }  # fmt: skip
    with write_whole_folder(folder) as partial:
        for source, names in ((PAGE, PAGE_FILES), (STANDALONE, STANDALONE_FILES)):
            for name in names:
                target = partial / ("index.html" if name == "page.html" else name)
                target.write_bytes((source / name).read_bytes())
        for name, content in runtime.items():
            (partial / "onnxruntime").mkdir(exist_ok=True)
            (partial / "onnxruntime" / name).write_bytes(content)
        for index, end in enumerate(ends):
            (partial / "faces").mkdir(exist_ok=True)
            (partial / "faces" / f"{index}.png").write_bytes(grid_png(end.image[None]))
        (partial / "decoder.onnx").write_bytes(model)
        (partial / "arrays.bin").write_bytes(b"".join(array.astype("<f4").tobytes() for array in arrays.values()))
        (partial / DESCRIPTION).write_text(json.dumps(described, allow_nan=False) + "\n")
    groups = {group: len(of_group) for group, of_group in described["about"]["sliders"].items()}
    return {"images": len(ends), "priors": list(priors), "sliders": groups}


def _faces(session: Session, count: int) -> list[End]:
    """Returns the first images of the test split, and the ends of the run's own walk if they are others."""
    if session.prepared is None or count < 1:
        return []
    first = [f"test:{index}" for index in range(min(count, len(session.prepared.split("test").images)))]
    ends = [session.end(name) for name in first]
    for name in (session.first, session.last):
        if name not in [end.name for end in ends]:
            with suppress(UserError):  # Another data set may have no such image.
                ends.append(session.end(name))
    return ends


def _priors(loaded: Loaded) -> dict[str, Mixture]:
    found = ((name, as_mixture(prior_of(loaded, name))) for name in moves.prior_names(loaded))
    return {name: mixture for name, mixture in found if mixture is not None}


def _about(session: Session, ends: list[End], priors: list[str]) -> dict[str, Any]:
    """Returns what the page is told of the run: nothing that only the command can answer."""
    names = [str(end.name) for end in ends] or [f"draw:{priors[0]}:0:1:{index}" for index in (0, 1)]
    first = session.first if session.first in names else names[0]
    last = session.last if session.last in names else names[min(1, len(names) - 1)]
    without: dict[str, Any] = {"served": False, "notes": [], "paths": list(PATHS)}
    without |= {name: {} for name in ("attributes", "requestable", "exchangeable", "missing_formats")}
    named = sum(name.startswith("test:") for name in names)
    return {**about(session), **without, "first": first, "last": last, "test_images": named, "priors": priors}


def _slider_arrays(session: Session) -> tuple[dict[str, Float[np.ndarray, "n d"]], list[dict[str, Any]]]:
    """Returns the directions and gains of all sliders, and for each of these which rows are its own."""
    rows: dict[str, list[np.ndarray]] = {"directions": [], "gains": []}
    sliders = []
    for slider in (slider for group in session.sliders.values() for slider in group):
        own: dict[str, Any] = {"key": slider.key}
        for name, row in (("direction", slider.direction), ("gain", slider.gain)):
            if np.any(row):
                own[name] = len(rows[f"{name}s"])
                rows[f"{name}s"].append(np.asarray(row))
        sliders.append(own)
    return {name: np.stack(each) for name, each in rows.items() if each}, sliders


def _psnr(loaded: Loaded, ends: list[End]) -> list[dict[str, Any]]:
    if not ends:
        return []
    images, rows = (np.stack([getattr(end, name) for end in ends]) for name in ("image", "row"))
    decibels = psnr(scale(images), scale(moves.decode_rows(loaded, rows)))
    return [{"name": end.name, "psnr_db": round(float(each), 2)} for end, each in zip(ends, decibels, strict=True)]


def _places(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    starts = np.cumsum([0, *(array.size for array in arrays.values())]).tolist()
    return {
        name: {"start": start, "shape": list(array.shape)}
        for (name, array), start in zip(arrays.items(), starts, strict=False)
    }
