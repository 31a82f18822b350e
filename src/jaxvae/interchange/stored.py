"""A model as others store it: our config of it, and where its tensors are."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxvae.errors import UserError
from jaxvae.models.latent_diffusion import LatentDiffusionModel
from jaxvae.system.stored_tensor import StoredTensor


class Stored(NamedTuple):
    """A model outside of jaxvae, whose tensors have not been read yet.

    Attributes:
        name: the folder or file, for messages.
        model: the config of our model.
        channels: of the images.
        size: height and width of the images that it was made for.
        tensors: where each tensor is, by present name.
        config: the config.json of a folder; None for a file.
    """

    name: str
    model: LatentDiffusionModel
    channels: int
    size: tuple[int, int]
    tensors: dict[str, StoredTensor]
    config: dict[str, Any] | None


def renamed(tensors: Mapping[str, StoredTensor], rename: Callable[[str], str]) -> dict[str, StoredTensor]:
    """Returns the tensors by present name; raises UserError where two of them have the same."""
    made: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        if (present := rename(name)) in made:
            raise UserError(f"{tensor.file} has {made[present].name} and {tensor.name}, which are the same tensor.")
        made[present] = tensor
    return made
