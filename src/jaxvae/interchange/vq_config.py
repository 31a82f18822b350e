"""The config.json of diffusers' VQModel: to our model, and from it."""

from typing import Any

from jaxvae.errors import UserError
from jaxvae.interchange.kl_config import check_blocks, read_fields, written_blocks, written_fields
from jaxvae.models import VQAutoencoder

CLASS = "VQModel"

FIELDS = {
    "channels": ("block_out_channels", [64]),
    "layers_per_block": ("layers_per_block", 1),
    "inner_channels": ("latent_channels", 3),
    "codebook_size": ("num_vq_embeddings", 256),
    "groups": ("norm_num_groups", 32),
    "middle_attention": ("mid_block_add_attention", True),
    "scaling_factor": ("scaling_factor", 0.18215),
}
# Null, or missing, is as many as latent_channels.
CODE = "vq_embed_dim"
# How codes are given to diffusers' `decode` when they are numbers of vectors; networks and tensors are the same.
LOOKUP = {"lookup_from_codebook": False}


def vq_model(config: dict[str, Any]) -> VQAutoencoder:
    """Returns the model that a config.json describes.

    Raises:
        UserError: it describes a network that this architecture does not have.
    """
    check_blocks(config)
    if (norm := config.get("norm_type", "group")) != "group":
        raise UserError(f"norm_type is {norm!r}, but only 'group' can be converted.")
    fields = read_fields(config, FIELDS)
    latent = config.get(CODE)
    return VQAutoencoder(**fields, latent=fields["inner_channels"] if latent is None else latent)


def vq_config(model: VQAutoencoder, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the config.json of a model for images of this shape; raises UserError if diffusers lacks a part."""
    if set_ := [name for name in ("latents_mean", "latents_std", "shift_factor") if getattr(model, name)]:
        raise UserError(f"model.{set_[0]} is set, which diffusers' VQModel does not record.")
    return {
        "_class_name": CLASS,
        **written_blocks(len(model.channels), shape),
        "norm_type": "group",
        CODE: model.latent,
        **LOOKUP,
        **written_fields(model, FIELDS),
    }
