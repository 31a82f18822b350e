"""What a conditional model is told of the images that it is trained on."""

import numpy as np
from jaxtyping import Int

from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, suggest
from jaxvae.vae import VAE


def training_labels(vae: VAE, prepared: Prepared) -> Int[np.ndarray, "n a"] | None:
    """Returns the attributes that the model is told of each training image; None for one that is told nothing.

    Raises:
        UserError: the data set lacks an attribute, or one has more values than the model has room for.
    """
    if not vae.attributes:
        return None
    known, name = list(prepared.attributes), prepared.info["name"]
    for attribute in vae.attributes:
        if not known:
            raise UserError(f"model.attributes has {attribute}, but {name} has no attributes.")
        if attribute not in known:
            raise UserError(f"model.attributes has {attribute}, which {name} lacks: {suggest(attribute, known)}")
    labels = np.asarray(prepared.split("train").attributes)[:, vae.told_columns(known)]
    largest = labels.max(axis=0)
    if largest.max() >= vae.attribute_values:
        worst = int(largest.argmax())
        raise UserError(
            f"{vae.attributes[worst]} has values up to {largest[worst]}, but model.attribute_values is "
            f"{vae.attribute_values}; set it to {largest[worst] + 1} or more."
        )
    return labels
