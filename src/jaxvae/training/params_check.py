"""What a model's parameters must be before anything is trained."""

import jax

from jaxvae.config import TrainConfig
from jaxvae.errors import UserError, suggest
from jaxvae.keys import key_shape
from jaxvae.vae import VAE


def check_params(vae: VAE, config: TrainConfig) -> None:
    """Raises UserError unless the model has every part of `train.freeze`, others to train, and no array of size 0."""
    shapes = jax.eval_shape(vae.init, key_shape())
    for path, leaf in jax.tree.leaves_with_path(shapes):
        if leaf.size == 0:  # Orbax refuses to save it, when the first checkpoint is due.
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise UserError(f"the model's parameter {name} has shape {list(leaf.shape)}; expected at least one number.")
    if not config.freeze:
        return
    parts = [name for name, part in shapes.items() if jax.tree.leaves(part)]
    for name in config.freeze:
        if name not in parts:
            raise UserError(
                f"train.freeze names {name!r}, but this model has no such part with parameters: {suggest(name, parts)}"
            )
    if set(parts) <= set(config.freeze):
        raise UserError(f"train.freeze is {list(config.freeze)}, which leaves nothing to train; omit one of them.")
