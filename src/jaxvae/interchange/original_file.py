"""Reads the single file of an original latent diffusion model (Rombach et al. 2022), which has no config.

Its tensors are called `first_stage_model.encoder.down.0.…`, `vae.…`, or have no prefix. The architecture follows from
their shapes, but for the groups of the normalisations and the scale of the codes.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.interchange.former_names import from_original
from jaxvae.interchange.stored import Stored, renamed
from jaxvae.interchange.weight_files import stored_tensors
from jaxvae.models import KLAutoencoder

PREFIXES = ("first_stage_model.", "vae.")
TRAINING_ONLY = "loss."  # The discriminator and the perceptual network that it was trained with.
SIZE = 256  # Pixels; the file does not say how large its images were.
GROUPS = 32
# What the first diffusion models on such codes used. Those on 16 channels differ among themselves.
SCALING_FACTORS = {4: 0.18215}


def read_file(path: Path, groups: int | None, scaling_factor: float | None) -> Stored:
    """Returns the model of a file.

    Args:
        path: the file.
        groups: of the group normalisations; 32 by default.
        scaling_factor: that a diffusion model multiplies codes by; by default 0.18215 for 4 channels, otherwise 1.

    Raises:
        UserError: it cannot be read, or holds no such autoencoder.
    """
    found = stored_tensors(path)
    prefix = next((each for each in PREFIXES if any(name.startswith(each) for name in found)), "")
    inside = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    inside = {name: tensor for name, tensor in inside.items() if not name.startswith(TRAINING_ONLY)}
    if any(".down_blocks." in name for name in inside):
        raise UserError(f"{path} has the names of diffusers; give its folder, which has a config.json.")
    if any(name.startswith("quantize.") for name in inside):
        raise UserError(f"{path} holds a model with a codebook, which is read from a diffusers folder only.")
    levels = _count(inside, r"encoder\.down\.(\d{1,3})\.")
    tensors = renamed(inside, lambda name: from_original(name, levels))

    def sizes(name: str) -> tuple[int, int]:
        if name not in tensors or len(tensors[name].shape) < 2:
            raise UserError(f"{path} holds no autoencoder of the original layout: it has no convolution {name}.")
        return tensors[name].shape[0], tensors[name].shape[1]

    channels = tuple(sizes(f"encoder.down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels))
    images, latent = sizes("encoder.conv_in.weight")[1], sizes("decoder.conv_in.weight")[1]
    model = KLAutoencoder(
        channels=channels,
        layers_per_block=_count(tensors, r"encoder\.down_blocks\.0\.resnets\.(\d{1,3})\."),
        latent=latent,
        groups=GROUPS if groups is None else groups,
        middle_attention=any(".attentions." in name for name in tensors),
        quant_conv="quant_conv.weight" in tensors,
        post_quant_conv="post_quant_conv.weight" in tensors,
        scaling_factor=SCALING_FACTORS.get(latent, 1.0) if scaling_factor is None else scaling_factor,
    )
    return Stored(str(path), model, images, (SIZE, SIZE), tensors, None)


def _count(names: Iterable[str], pattern: str) -> int:
    """Returns how many numbers from 0 on the names have where the pattern has its group."""
    return 1 + max((int(match[1]) for name in names if (match := re.match(pattern, name))), default=-1)
