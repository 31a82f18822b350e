"""Writes folders of latents, one batch at a time (`jaxvae.latents.latent_folder` says what is in them)."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from jaxvae.codes import Moments, diffusion_numbers
from jaxvae.data.prepared import Prepared
from jaxvae.data.sources.base import SPLITS
from jaxvae.distributions.base import require_log_variances
from jaxvae.errors import UserError, suggest
from jaxvae.inference import BATCH_SIZE, posterior_batches
from jaxvae.latents.latent_folder import (
    DESCRIPTION,
    FORMAT_VERSION,
    Scaling,
    refuse_existing_latents,
)
from jaxvae.models.latent_diffusion import LatentDiffusionModel
from jaxvae.runs.run import Loaded
from jaxvae.system.progress import progress
from jaxvae.system.whole_folder import write_whole_folder
from jaxvae.vae import code_shape

ScalingKind = Literal["none", "measured", "recorded"]
KINDS: tuple[ScalingKind, ...] = get_args(ScalingKind)
ROWS = 1024  # Codes that are scaled at a time.


class LatentOptions(NamedTuple):
    """What a folder of latents holds.

    Attributes:
        splits: the splits to write.
        moments: also the posterior standard deviations, so that codes can be drawn later: mean + deviation * noise.
        flips: also the codes of each image mirrored left to right.
        scaling: "none" writes codes as the model has them; "measured" scales them by the statistics of the training
            codes; "recorded" by the factors that came with the model, for a diffusion model that expects those.
    """

    splits: tuple[str, ...] = SPLITS
    moments: bool = False
    flips: bool = False
    scaling: ScalingKind = "none"


def check_latents(loaded: Loaded, options: LatentOptions) -> None:
    """Raises UserError if a model's codes cannot be written like this."""
    for name, known, given in (("split", SPLITS, options.splits), ("scaling", KINDS, (options.scaling,))):
        if unknown := [each for each in given if each not in known]:
            raise UserError(f"unknown {name} {unknown[0]!r}; {suggest(str(unknown[0]), known)}")
    if not options.splits:
        raise UserError(f"no splits to encode; give some of {', '.join(SPLITS)}.")
    vae, params, info = loaded
    shapes = [leaf.shape for leaf in jax.tree.leaves(code_shape(vae, params))]
    if vae.levels or len(shapes) != 1:
        levels = f" ({', '.join(vae.levels)})" if vae.levels else ""
        raise UserError(
            f"a code of {info.run} consists of {len(shapes)} arrays{levels}, but latents are one array per image; "
            "leave out --as latents to write them as rows."
        )
    if options.moments and not info.config.objective.variational:
        raise UserError(f"{info.run} is a plain autoencoder, which has no posterior deviations; leave out --moments.")
    if options.scaling == "recorded":
        recorded_scaling(loaded)


def recorded_scaling(loaded: Loaded) -> Scaling:
    """Returns the scaling that is recorded with a model of latent diffusion; raises UserError if there is none.

    With means and deviations per channel it is (z - latents_mean) * scaling_factor / latents_std, as in diffusers.
    """
    model = loaded.info.config.model
    if not isinstance(model, LatentDiffusionModel) or _recorded(model) == _recorded(type(model)()):
        raise UserError(
            f"{loaded.info.run} records no scaling factor, as models of --model kl_autoencoder can; "
            "use --scaling measured or none."
        )
    shift = np.asarray(model.latents_mean or model.shift_factor or 0.0, np.float64)
    factor = np.asarray(model.scaling_factor / np.asarray(model.latents_std or 1.0, np.float64))
    if not np.isfinite(factor).all():
        raise UserError(f"{loaded.info.run} records latents_std {model.latents_std}, but none of them may be 0.")
    return Scaling(shift, factor)


def write_latents(
    loaded: Loaded, prepared: Prepared, folder: Path, options: LatentOptions, overwrite: bool = False
) -> dict[str, Any]:
    """Encodes splits into a folder of latents, which is there whole or not at all.

    Holds one batch of images in memory. The training split is encoded for its statistics even if it is not written.

    Args:
        loaded: the model.
        prepared: the images.
        folder: the folder to create.
        options: what to write.
        overwrite: replace another folder of latents.

    Returns:
        The contents of latents.json.

    Raises:
        UserError: codes are not finite, all equal, or not one array per image; the folder exists; or the disk is full.
    """
    refuse_existing_latents(folder, overwrite)
    check_latents(loaded, options)
    vae, params, info = loaded
    shape = jax.tree.leaves(code_shape(vae, params))[0].shape
    with write_whole_folder(folder) as partial:
        _check_space(partial, prepared, options, shape)
        statistics = None
        for split in dict.fromkeys(("train", *options.splits)):
            encoded = _encode_split(loaded, prepared, split, partial if split in options.splits else None, options)
            statistics = statistics or encoded
        assert statistics is not None  # noqa: S101
        numbers = diffusion_numbers(statistics.means, statistics.noise.mean if options.moments else None)
        if numbers["scaling_factor"] is None:
            raise UserError("the codes of all images are equal: they carry no information (posterior collapse).")
        scaling = None
        if options.scaling != "none":
            measured = Scaling(np.asarray(numbers["shift_factor"]), np.asarray(numbers["scaling_factor"]))
            scaling = measured if options.scaling == "measured" else recorded_scaling(loaded)
            for split in options.splits:
                for name in _files(split, options):
                    deviations = name.endswith(".standard_deviation.npy")
                    _rewrite(partial / name, scaling.rescale_deviations if deviations else scaling.apply)
        of = "draws from the posteriors" if options.moments else "posterior means"
        about = {
            "format_version": FORMAT_VERSION,
            "run": str(info.run.resolve()),
            "step": info.step,
            "parameters": info.parameters,
            "data": prepared.info["name"],
            "image_shape": list(prepared.shape),
            "shape": list(shape),
            "axes": ["n", *("h", "w", "c")[-len(shape) :]],
            "dtype": "float32",
            "splits": {split: _describe_split(prepared, split, options) for split in options.splits},
            "attributes": list(prepared.attributes),
            "classes": prepared.info["classes"],
            "statistics": {"split": "train", "of": of, "flips": options.flips, **numbers},
            "recorded": _recorded(info.config.model) if isinstance(info.config.model, LatentDiffusionModel) else None,
            "scaling": options.scaling,
            "applied": None if scaling is None else scaling.to_json(),
        }
        (partial / DESCRIPTION).write_text(json.dumps(about, indent=2, allow_nan=False) + "\n")
    return about


class _Statistics(NamedTuple):
    """Moments of the posterior means, and of the posterior variances."""

    means: Moments = Moments()
    noise: Moments = Moments()


def _encode_split(
    loaded: Loaded, prepared: Prepared, split: str, folder: Path | None, options: LatentOptions
) -> _Statistics:
    images, attributes = prepared.split(split)
    parts = [_encode(loaded, images, split, folder, options.moments)]
    if options.flips:
        parts.append(_encode(loaded, images[:, :, ::-1], f"{split}.flipped", folder, options.moments))
    if folder is not None and prepared.attributes:
        np.save(folder / f"{split}.attributes.npy", np.asarray(attributes), allow_pickle=False)
    return parts[0] if len(parts) == 1 else _merge(*parts)


def _encode(loaded: Loaded, images: np.ndarray, part: str, folder: Path | None, moments: bool) -> _Statistics:
    vae, params, info = loaded
    batches = posterior_batches(vae, params, images)
    statistics = _Statistics()
    with ExitStack() as stack:
        names = [f"{part}.npy", *([f"{part}.standard_deviation.npy"] if moments else [])]
        files = [stack.enter_context((folder / name).open("wb")) for name in names] if folder else []
        for posterior in progress(batches, -(-len(images) // BATCH_SIZE), f"encoding {part}", "batches"):
            mean = np.asarray(jax.tree.leaves(posterior.mean)[0], np.float32)
            deviation = _deviations(posterior, mean, info.config.objective.variational)
            if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
                raise UserError(f"codes of {part} are not finite: the model {info.run} is damaged.")
            for file, array in zip(files, (mean, deviation), strict=False):
                _append(file, array, len(images))
            noise = np.square(deviation, dtype=np.float64)
            statistics = _Statistics(statistics.means.add(mean), statistics.noise.add(noise))
    return statistics


def _merge(first: _Statistics, second: _Statistics) -> _Statistics:
    return _Statistics(first.means.merge(second.means), first.noise.merge(second.noise))


def _deviations(posterior: Any, mean: np.ndarray, variational: bool) -> np.ndarray:
    if not variational:
        return np.zeros_like(mean)
    return np.exp(0.5 * np.asarray(jax.tree.leaves(require_log_variances(posterior))[0], np.float32))


def _append(file: IO[bytes], array: np.ndarray, count: int) -> None:
    # Written as bytes, not through a memory map, which would kill the process when the disk is full.
    if file.tell() == 0:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, *array.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
    file.write(np.ascontiguousarray(array, "<f4").data)


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replaces the codes in a file, `ROWS` at a time."""
    codes = np.load(path, mmap_mode="r")
    with path.open("r+b") as file:
        file.seek(codes.offset)
        for start in range(0, len(codes), ROWS):
            file.write(np.ascontiguousarray(change(np.asarray(codes[start : start + ROWS])), "<f4").data)


def _files(split: str, options: LatentOptions) -> list[str]:
    """Returns the names of the arrays of codes of a split."""
    parts = [split, *([f"{split}.flipped"] if options.flips else [])]
    kinds = ["", *([".standard_deviation"] if options.moments else [])]
    return [f"{part}{kind}.npy" for part in parts for kind in kinds]


def _describe_split(prepared: Prepared, split: str, options: LatentOptions) -> dict[str, Any]:
    stored = prepared.info["splits"][split]
    files = [*_files(split, options), *([f"{split}.attributes.npy"] if prepared.attributes else [])]
    return {"n": stored["n"], "files": files, "data_sha256": stored["sha256"][f"{split}.npy"]}


def _recorded(model: Any) -> dict[str, Any]:
    names = ("scaling_factor", "shift_factor", "latents_mean", "latents_std")
    values = {name: getattr(model, name) for name in names}
    return {name: (list(value) or None) if isinstance(value, tuple) else value for name, value in values.items()}


def _check_space(folder: Path, prepared: Prepared, options: LatentOptions, shape: Sequence[int]) -> None:
    codes = sum(prepared.info["splits"][split]["n"] * len(_files(split, options)) for split in options.splits)
    needed, free = 4 * codes * int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"the latents take {needed / 1e9:.3g} GB, but only {free / 1e9:.3g} GB are free in {folder.parent}; "
            "choose an --out on another disk."
        )
