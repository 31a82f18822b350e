"""Reads and writes the folder of a diffusers autoencoder: config.json, and its tensors in safetensors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxvae.annotations import Params
from jaxvae.errors import UserError, suggest
from jaxvae.interchange import kl_config, tiny_config, vq_config
from jaxvae.interchange.former_names import present_name
from jaxvae.interchange.stored import Stored, renamed
from jaxvae.interchange.tensors import torch_tensors
from jaxvae.interchange.weight_files import WEIGHTS, read_json, weight_files
from jaxvae.models import KLAutoencoder, ModelConfig, TinyAutoencoder, VQAutoencoder
from jaxvae.models.latent_diffusion import LatentDiffusionModel
from jaxvae.system.safetensors_files import write_tensors


class Architecture(NamedTuple):
    """A class of diffusers that is one of our models.

    Attributes:
        kind: the config class of our model.
        model: config.json -> our model.
        config: (our model, shape of the images) -> config.json.
        size: of the images in pixels, where config.json does not say.
    """

    kind: type[LatentDiffusionModel]
    model: Callable[[dict[str, Any]], LatentDiffusionModel]
    config: Callable[[Any, tuple[int, int, int]], dict[str, Any]]
    size: int


ARCHITECTURES = {
    kl_config.CLASS: Architecture(KLAutoencoder, kl_config.kl_model, kl_config.kl_config, 32),
    tiny_config.CLASS: Architecture(TinyAutoencoder, tiny_config.tiny_model, tiny_config.tiny_config, 256),
    vq_config.CLASS: Architecture(VQAutoencoder, vq_config.vq_model, vq_config.vq_config, 32),
}
DEPTHS = ("layers_per_block", "num_encoder_blocks", "num_decoder_blocks")


def read_folder(folder: Path) -> Stored:
    """Returns the model of a folder that has a config.json, or has one in `vae/` as pipelines do.

    Raises:
        UserError: there is none, it names another class, or it describes a network that we do not have.
    """
    inside = folder if (folder / "config.json").is_file() else folder / "vae"
    described = inside / "config.json"
    if not described.is_file():
        raise UserError(
            f"{folder} has neither config.json nor vae/config.json, nor one pair of files NAME_encoder and "
            "NAME_decoder; expected a diffusers folder, such a pair, or a run."
        )
    config = read_json(described)
    name = config.get("_class_name")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        hint = suggest(str(name), ARCHITECTURES)
        raise UserError(f"{inside} holds a model of the class {name!r}, which cannot be converted: {hint}")
    tensors = renamed(weight_files(inside), present_name)
    try:
        _check_depth(config, len(tensors))
        model = ARCHITECTURES[name].model(config)
        channels, size = kl_config.image_channels(config), _sample_size(config, ARCHITECTURES[name].size)
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
        known = f"{', '.join(kind.kind for kind in kinds[:-1])} and {kinds[-1].kind}"
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
    for key in DEPTHS:
        value = config.get(key, 0)
        numbers = [len(value), *value] if isinstance(value, list) else [value]
        if any(type(number) is int and number > tensors for number in numbers):
            raise UserError(f"{key} is {value!r}, but there are only {tensors} tensors.")


def _sample_size(config: dict[str, Any], default: int) -> tuple[int, int]:
    size = config.get("sample_size", default)
    sides = size if isinstance(size, list) and len(size) == 2 else [size, size]
    if not all(type(side) is int and side >= 1 for side in sides):
        raise UserError(f"sample_size is {size!r}, but must be a number of pixels.")
    return sides[0], sides[1]
