"""The config.json of diffusers' AutoencoderKL: to our model, and from it."""

import json
from typing import Any

from jaxvae.errors import UserError
from jaxvae.models import KLAutoencoder
from jaxvae.models.latent_diffusion import LatentDiffusionModel

CLASS = "AutoencoderKL"
DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"

# Our field, the key of config.json, and the value that diffusers assumes where the key is missing.
FIELDS = {
    "channels": ("block_out_channels", [64]),
    "layers_per_block": ("layers_per_block", 1),
    "latent": ("latent_channels", 4),
    "groups": ("norm_num_groups", 32),
    "middle_attention": ("mid_block_add_attention", True),
    "quant_conv": ("use_quant_conv", True),
    "post_quant_conv": ("use_post_quant_conv", True),
    "scaling_factor": ("scaling_factor", 0.18215),
    "shift_factor": ("shift_factor", None),
    "latents_mean": ("latents_mean", None),
    "latents_std": ("latents_std", None),
}


def image_channels(config: dict[str, Any]) -> int:
    """Returns the number of channels of the images; raises UserError if it differs between input and output."""
    inside, outside = config.get("in_channels", 3), config.get("out_channels", 3)
    if type(inside) is not int or inside != outside:
        raise UserError(f"in_channels is {inside!r} and out_channels is {outside!r}, but they must be the same number.")
    return inside


def kl_model(config: dict[str, Any]) -> KLAutoencoder:
    """Returns the model that a config.json describes.

    Raises:
        UserError: it describes a network that this architecture does not have.
    """
    check_blocks(config)
    return KLAutoencoder(**read_fields(config, FIELDS))


def check_blocks(config: dict[str, Any]) -> None:
    """Raises UserError unless all resolutions have plain residual blocks with SiLU."""
    channels = config.get("block_out_channels", [64])
    for key, block in (("down_block_types", DOWN), ("up_block_types", UP)):
        blocks = config.get(key, [block])
        if not isinstance(blocks, list) or any(name != block for name in blocks):
            raise UserError(f"{key} is {blocks!r}, but only {block} can be converted.")
        if isinstance(channels, list) and len(blocks) != len(channels):
            raise UserError(f"{key} lists {len(blocks)} blocks, but block_out_channels lists {len(channels)}.")
    if (activation := config.get("act_fn", "silu")) not in ("silu", "swish"):
        raise UserError(f"act_fn is {activation!r}, but only silu can be converted.")


def kl_config(model: LatentDiffusionModel, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the config.json of a model for images of this shape."""
    fields = written_fields(model, FIELDS)
    blocks = written_blocks(len(fields["block_out_channels"]), shape)
    return {"_class_name": CLASS, **blocks, "force_upcast": True, **fields}


def written_blocks(levels: int, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the keys of config.json for the blocks of each resolution, and for images of this shape."""
    return {
        "act_fn": "silu",
        "in_channels": shape[2],
        "out_channels": shape[2],
        "down_block_types": [DOWN] * levels,
        "up_block_types": [UP] * levels,
        "sample_size": max(shape[:2]),
    }


def read_fields(config: dict[str, Any], names: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """Returns the fields of a model that a config.json holds, without those that are null there.

    Raises:
        UserError: a key is null that must have a value.
    """
    fields = {}
    for field, (key, default) in names.items():
        value = config.get(key, default)
        if value is None and default is not None:
            raise UserError(f"{key} is null, but must have a value, such as {json.dumps(default)}.")
        if value is not None:
            fields[field] = value
    return fields


def written_fields(model: LatentDiffusionModel, names: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """Returns the keys of config.json that a model's fields give; an empty list is null there."""
    values = {key: getattr(model, field) for field, (key, _) in names.items()}
    return {key: (list(value) or None) if isinstance(value, tuple) else value for key, value in values.items()}
