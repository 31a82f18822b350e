"""Converts models between the files of others and runs, which all commands open."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import jax

from jaxvae.annotations import Params
from jaxvae.data.config import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.prepared import MAX_SIDE, Prepared, without_images
from jaxvae.data.sources.base import MAX_BANDS
from jaxvae.data.sources.kinds import Folder, source_named
from jaxvae.errors import UserError
from jaxvae.experiment import Config
from jaxvae.interchange.diffusers_folder import check_writable_model, read_folder, write_folder
from jaxvae.interchange.original_file import read_file
from jaxvae.interchange.stored import Stored
from jaxvae.interchange.tensors import DTYPES, PARTS, check_tensors, places, read_params
from jaxvae.interchange.tiny_pair import find_pair, read_pair
from jaxvae.keys import key_shape
from jaxvae.models import build
from jaxvae.runs import checkpoint
from jaxvae.runs.run import about, load, write_config
from jaxvae.system.files import check_writable, temp_dir
from jaxvae.system.quick_compilation import jit_for_one_call
from jaxvae.system.safetensors_files import require_safetensors
from jaxvae.vae import VAE

ORIGIN = "interchange"  # Key of a checkpoint's description: what the files that it came from said.


def import_model(
    source: str | Path,
    target: str | Path,
    *,
    size: tuple[int, ...] = (),
    tile: int | None = None,
    data: str | None = None,
    groups: int | None = None,
    scaling_factor: float | None = None,
) -> Path:
    """Writes a run from a model of another library, and returns its folder.

    Args:
        source: a diffusers folder, a pipeline's folder with a `vae/`, a folder with the two files of a tiny
            autoencoder, or a single file in the original layout.
        target: the run folder, which must not exist.
        size: height and width of the images, or one number for both; by default what the source says.
        tile: side in pixels of the tiles in which larger images are encoded and decoded; None for the whole image.
        data: a data set as `prepare` takes it; commands then have images to work on.
        groups: for a single file, the groups of its normalisations.
        scaling_factor: for a single file, the factor that a diffusion model multiplies its codes by.

    Raises:
        UserError: the source cannot be converted, or the target exists; nothing is written then.
    """
    require_safetensors()
    source, target = Path(source), Path(target)
    refuse_target(target)
    stored = _stored(source, groups, scaling_factor)
    stored = stored._replace(model=replace(stored.model, tile=tile))
    shape = _image_shape(stored, size)
    vae = build(stored.model, shape)
    wanted = places(jax.eval_shape(vae.init, key_shape()))
    check_tensors(stored.name, wanted, stored.tensors)
    config, prepared = _data(target, stored, shape, data)
    params = {**_own_params(vae), **read_params(wanted, stored.tensors)}
    origin = {"config": stored.config, "dtypes": {name: each.dtype for name, each in stored.tensors.items()}}
    with temp_dir(target.with_name(f".{target.name}.partial")) as folder:
        write_config(folder, config)
        with checkpoint.open_checkpoints(folder / "checkpoints") as checkpointer:
            description = {**about(config, prepared), ORIGIN: origin}
            checkpoint.save(checkpointer, 0, {"params": params}, about=description, objective=None, complete=True)
        folder.rename(target)
    return target


def export_model(run: str | Path, target: str | Path) -> Path:
    """Writes a diffusers folder from a run, and returns it.

    A run that was converted and not trained since goes back as it came, tensor for tensor.

    Args:
        run: the run folder, or that of one of its checkpoints.
        target: the folder to write, which must not exist.

    Raises:
        UserError: the run cannot be opened, diffusers has no such model, or the target exists.
    """
    require_safetensors()
    target = Path(target)
    refuse_target(target)
    _, params, info = load(run)
    check_writable_model(info.config.model)
    config, dtypes = _origin(info.run / "checkpoints", info.step)
    with temp_dir(target.with_name(f".{target.name}.partial")) as folder:
        write_folder(folder, info.config.model, info.shape, params, config, dtypes)
        folder.rename(target)
    return target


def _origin(folder: Path, step: int) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Returns the config.json that a run came with, if any, and the types of its tensors."""
    origin = checkpoint.read_about(folder, step).get(ORIGIN)
    if origin is None:
        return None, {}
    if isinstance(origin, dict):
        config, dtypes = origin.get("config"), origin.get("dtypes")
        known = tuple(DTYPES)  # Not a set: values of a damaged checkpoint may have no hash.
        if (
            isinstance(config, dict | None)
            and isinstance(dtypes, dict)
            and all(each in known for each in dtypes.values())
        ):
            return config, dtypes
    where, what = folder / str(step), repr(origin)[:100]
    raise checkpoint.DamagedError(f"the checkpoint {where} is damaged: its {ORIGIN} is {what}.")


def refuse_target(target: Path) -> None:
    """Raises UserError if the folder to write exists or cannot be written."""
    if os.path.lexists(target):
        raise UserError(f"{target} exists; give another folder to write to, or remove it first.")
    check_writable(target)


def _own_params(vae: VAE) -> Params:
    """Returns the parameters that the files of others do not have, such as the likelihood's scale, as they begin."""
    own = jit_for_one_call(lambda key: {name: each for name, each in vae.init(key).items() if name not in PARTS})
    return own(jax.random.key(0))


def _stored(source: Path, groups: int | None, scaling_factor: float | None) -> Stored:
    if not os.path.lexists(source):
        raise UserError(f"{source} does not exist; expected a diffusers folder, a .safetensors file, or a run.")
    if not source.is_dir():
        return read_file(source, groups, scaling_factor)
    for flag, value in (("--groups", groups), ("--scaling-factor", scaling_factor)):
        if value is not None:
            raise UserError(f"{flag} is for a single file and has no effect on {source}, a folder; remove the flag.")
    pair = None if (source / "config.json").exists() else find_pair(source)
    return read_folder(source) if pair is None else read_pair(source, pair)


def _image_shape(stored: Stored, size: tuple[int, ...]) -> tuple[int, int, int]:
    if len(size) > 2:
        raise UserError(f"--size is {' '.join(map(str, size))}, but must be one number, or height and width.")
    height, width = (*size, *size)[:2] if size else stored.size
    if not all(1 <= side <= MAX_SIDE for side in (height, width)):
        raise UserError(f"images would have {height} x {width} pixels; give a --size from 1 to {MAX_SIDE}.")
    if not 1 <= stored.channels <= MAX_BANDS:
        raise UserError(f"images of {stored.name} have {stored.channels} channels; expected 1 to {MAX_BANDS}.")
    return height, width, stored.channels


def _data(target: Path, stored: Stored, shape: tuple[int, int, int], data: str | None) -> tuple[Config, Prepared]:
    """Returns the config of the run, and its images."""
    height, width, channels = shape
    side = height if height == width else None
    base = Config(name=target.name, model=stored.model, data=DataConfig(source=Folder(), size=side))
    if data is None:
        return base, without_images(target.absolute() / "images", shape, stored.name)
    if side is None:
        raise UserError(
            f"--size is {height} {width}, but a prepared data set is square; give one number, or no --data."
        )
    color: Literal["keep", "rgb", "grey"] = "grey" if channels == 1 else "rgb" if channels == 3 else "keep"
    config = replace(base, data=replace(base.data, source=source_named(data), color=color))
    prepared = prepare(config.data)
    if prepared.shape != shape:
        raise UserError(f"images of {data} have shape {list(prepared.shape)}, but the model needs {list(shape)}.")
    return config, prepared
