"""The config.json of diffusers' AutoencoderTiny: to our model, and from it."""

from typing import Any

from jaxvae.errors import UserError
from jaxvae.interchange.kl_config import read_fields, written_fields
from jaxvae.models import TinyAutoencoder

CLASS = "AutoencoderTiny"

FIELDS = {
    "encoder_blocks": ("num_encoder_blocks", [1, 3, 3, 3]),
    "decoder_blocks": ("num_decoder_blocks", [3, 3, 3, 1]),
    "latent": ("latent_channels", 4),
    "scaling_factor": ("scaling_factor", 1.0),
    "shift_factor": ("shift_factor", 0.0),
}
FIXED = {"act_fn": "relu", "upsample_fn": "nearest", "upsampling_scaling_factor": 2}
# How diffusers stores codes as bytes; neither encoding nor decoding uses them.
CODES_AS_BYTES = {"latent_magnitude": 3, "latent_shift": 0.5}


def tiny_model(config: dict[str, Any]) -> TinyAutoencoder:
    """Returns the model that a config.json describes.

    Raises:
        UserError: it describes a network that this architecture does not have.
    """
    for key, value in FIXED.items():
        if (given := config.get(key, value)) != value:
            raise UserError(f"{key} is {given!r}, but only {value!r} can be converted.")
    fields = read_fields(config, FIELDS)
    for part in ("encoder", "decoder"):
        channels, blocks = config.get(f"{part}_block_out_channels", [64] * 4), fields[f"{part}_blocks"]
        if not isinstance(channels, list) or not isinstance(blocks, list) or len(channels) != len(blocks):
            raise UserError(
                f"{part}_block_out_channels is {channels!r}, but must be a list with a number for each of "
                f"num_{part}_blocks, {blocks!r}."
            )
        if not channels or any(each != channels[0] for each in channels):
            raise UserError(f"{part}_block_out_channels is {channels}, but must be one or more of the same number.")
        fields[f"{part}_channels"] = channels[0]
    return TinyAutoencoder(**fields)


def tiny_config(model: TinyAutoencoder, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the config.json of a model for images of this shape; raises UserError if diffusers lacks a part."""
    if model.middle_pool:
        raise UserError("model.middle_pool is True, a branch that diffusers' AutoencoderTiny does not have.")
    if model.latents_mean or model.latents_std:
        raise UserError(
            "model.latents_mean or model.latents_std is set, which diffusers' AutoencoderTiny does not record."
        )
    return {
        "_class_name": CLASS,
        "in_channels": shape[2],
        "out_channels": shape[2],
        "encoder_block_out_channels": [model.encoder_channels] * len(model.encoder_blocks),
        "decoder_block_out_channels": [model.decoder_channels] * len(model.decoder_blocks),
        **FIXED,
        **CODES_AS_BYTES,
        **written_fields(model, FIELDS),
    }
