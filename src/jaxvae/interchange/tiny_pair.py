"""Reads the two files of a tiny autoencoder of the TAESD family: NAME_encoder and NAME_decoder, without a config.

Layers are numbered as they run. The decoder's numbers are one more than those of diffusers: its layer 0 squashes codes
and has no tensors.
"""

import re
from itertools import pairwise
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.interchange.stored import Stored, renamed
from jaxvae.interchange.torch_archive import PICKLES
from jaxvae.interchange.weight_files import stored_tensors
from jaxvae.models import TinyAutoencoder
from jaxvae.system.stored_tensor import StoredTensor

SUFFIXES = (".safetensors", *PICKLES)
SIZE = 256  # Pixels; the files do not say how large their images were.


def find_pair(folder: Path) -> tuple[Path, Path] | None:
    """Returns the encoder's and the decoder's file in a folder that has one pair of them; otherwise None."""
    encoders = [path for suffix in SUFFIXES for path in sorted(folder.glob(f"*_encoder{suffix}"))]
    pairs = [(path, path.with_name(path.name.replace("_encoder.", "_decoder."))) for path in encoders]
    whole = [pair for pair in pairs if pair[1].is_file()]
    return whole[0] if len(whole) == 1 else None


def read_pair(folder: Path, pair: tuple[Path, Path]) -> Stored:
    """Returns the model of a pair of files.

    Raises:
        UserError: a file cannot be read, or is not laid out like this.
    """
    encoder, decoder = (stored_tensors(path) for path in pair)
    names = {name: f"encoder.layers.{name}" for name in encoder}
    tensors = renamed(encoder, names.__getitem__)
    tensors |= renamed(decoder, lambda name: re.sub(r"^\d{1,4}", lambda number: _lower(number[0]), name))
    down, up = (_blocks(path, part) for path, part in zip(pair, (encoder, decoder), strict=True))
    first, last = _convolutions(encoder)[0], _convolutions(encoder)[-1]
    model = TinyAutoencoder(
        encoder_channels=encoder[first].shape[0],
        decoder_channels=decoder[_convolutions(decoder)[0]].shape[0],
        encoder_blocks=down,
        decoder_blocks=up,
        latent=encoder[last].shape[0],
        middle_pool=any(".pool." in name for name in encoder),
    )
    return Stored(str(folder), model, encoder[first].shape[1], (SIZE, SIZE), tensors, None)


def _lower(number: str) -> str:
    return f"decoder.layers.{int(number) - 1}"


def _convolutions(tensors: dict[str, StoredTensor]) -> list[str]:
    """Returns the kernels of the convolutions between the blocks, in the order in which they run."""
    kernels = (name for name, tensor in tensors.items() if len(tensor.shape) == 4)
    plain = [name for name in kernels if re.fullmatch(r"\d{1,4}\.weight", name)]
    return sorted(plain, key=lambda name: int(name.partition(".")[0]))


def _blocks(path: Path, tensors: dict[str, StoredTensor]) -> tuple[int, ...]:
    """Returns the number of blocks between each convolution and the next: those of each resolution."""
    convolutions = [int(name.partition(".")[0]) for name in _convolutions(tensors)]
    if len(convolutions) < 2:
        raise UserError(f"{path} is not laid out like a tiny autoencoder: it has no convolutions called 0.weight, ….")
    blocks = {int(match[1]) for name in tensors if (match := re.match(r"(\d{1,4})\.conv\.0\.weight$", name))}
    return tuple(sum(start < block < end for block in blocks) for start, end in pairwise(convolutions))
