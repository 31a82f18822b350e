"""Reads and writes the folder of a diffusers autoencoder: config.json, and its tensors in safetensors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxvae.annotations import Params
from jaxvae.errors import UserError, suggest
from jaxvae.interchange import kl_config
from jaxvae.interchange.former_names import present_name
from jaxvae.interchange.safetensors_files import WEIGHTS, read_json, weight_files, write_tensors
from jaxvae.interchange.stored import Stored, renamed
from jaxvae.interchange.tensors import torch_tensors
from jaxvae.models import KLAutoencoder, ModelConfig
from jaxvae.models.latent_diffusion import LatentDiffusionModel

DEFAULT_SIZE = 32  # The sample_size that diffusers assumes.


class Architecture(NamedTuple):
    """A class of diffusers that is one of our models.

    Attributes:
        kind: the config class of our model.
        model: config.json -> our model.
        config: (our model, shape of the images) -> config.json.
    """

    kind: type[LatentDiffusionModel]
    model: Callable[[dict[str, Any]], LatentDiffusionModel]
    config: Callable[[Any, tuple[int, int, int]], dict[str, Any]]


ARCHITECTURES = {kl_config.CLASS: Architecture(KLAutoencoder, kl_config.kl_model, kl_config.kl_config)}


def read_folder(folder: Path) -> Stored:
    """Returns the model of a folder that has a config.json, or has one in `vae/` as pipelines do.

    Raises:
        UserError: there is none, it names another class, or it describes a network that we do not have.
    """
    inside = folder if (folder / "config.json").is_file() else folder / "vae"
    described = inside / "config.json"
    if not described.is_file():
        raise UserError(f"{folder} has neither config.json nor vae/config.json; expected a diffusers folder or a run.")
    config = read_json(described)
    name = config.get("_class_name")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        hint = suggest(str(name), ARCHITECTURES)
        raise UserError(f"{inside} holds a model of the class {name!r}, which cannot be converted: {hint}")
    tensors = renamed(weight_files(inside), present_name)
    try:
        _check_depth(config, len(tensors))
        model = ARCHITECTURES[name].model(config)
        channels, size = kl_config.image_channels(config), _sample_size(config)
    except UserError as error:
        raise UserError(f"{described} cannot be used: {error}") from error
    return Stored(str(inside), model, channels, size, tensors, config)


def write_folder(
    folder: Path,
    model: ModelConfig,
    shape: tuple[int, int, int],
    params: Params,
    config: dict[str, Any] | None,
    dtypes: dict[str, str],
) -> None:
    """Writes a model to an existing folder as diffusers expects it.

    Args:
        folder: the folder.
        model: the config of our model.
        shape: of its images.
        params: its parameters.
        config: the config.json that the model came with, written back as it was; None makes one.
        dtypes: the type of each tensor that is not F32.
    """
    own = next(each for each in ARCHITECTURES.values() if type(model) is each.kind)
    text = json.dumps(own.config(model, shape) if config is None else config, indent=2)
    described, weights = folder / "config.json", folder / f"{WEIGHTS}.safetensors"
    described.write_text(text + "\n")
    write_tensors(weights, torch_tensors(params, dtypes))
    shutil.copymode(described, weights)  # safetensors lets nobody but the owner read what it writes.


def check_writable_model(model: ModelConfig) -> None:
    """Raises UserError unless diffusers has the model's architecture, and its decoder yields images alone."""
    kinds = [each.kind for each in ARCHITECTURES.values()]
    if type(model) not in kinds:
        known = " and ".join(kind.kind for kind in kinds)
        raise UserError(
            f"the model is of kind {model.kind!r}, which diffusers does not have; {known} can be converted."
        )
    likelihood = model.likelihood
    if likelihood.kind not in ("normal", "laplace") or likelihood.predicts_scale:
        raise UserError(
            f"the likelihood is {likelihood.kind!r}{' with a scale per pixel' if likelihood.predicts_scale else ''}, "
            "whose decoder yields other numbers than pixels; 'normal' and 'laplace' with a shared or fixed scale can "
            "be converted."
        )


def _check_depth(config: dict[str, Any], tensors: int) -> None:
    # A network is built from the config to learn its shapes; a wrong number must not build one without end.
    depth = config.get("layers_per_block", 1)
    if type(depth) is int and depth > tensors:
        raise UserError(f"layers_per_block is {depth}, but there are only {tensors} tensors.")


def _sample_size(config: dict[str, Any]) -> tuple[int, int]:
    size = config.get("sample_size", DEFAULT_SIZE)
    sides = size if isinstance(size, list) and len(size) == 2 else [size, size]
    if not all(type(side) is int and side >= 1 for side in sides):
        raise UserError(f"sample_size is {size!r}, but must be a number of pixels.")
    return sides[0], sides[1]
