"""Parts of the parameters that training leaves as they are, such as the encoder while the decoder is tuned."""

import jax

from jaxvae.annotations import Params
from jaxvae.config import TrainConfig
from jaxvae.errors import UserError, suggest
from jaxvae.keys import key_shape
from jaxvae.vae import VAE


def split(params: Params, config: TrainConfig) -> tuple[Params, Params]:
    """Returns the parts of the parameters that are trained, and those of `train.freeze`, which are not."""
    frozen = {name: params[name] for name in config.freeze}
    return {name: part for name, part in params.items() if name not in frozen}, frozen


def check_frozen(vae: VAE, config: TrainConfig) -> None:
    """Raises UserError unless the model has every part of `train.freeze`, and others to train."""
    if not config.freeze:
        return
    shapes = jax.eval_shape(vae.init, key_shape())
    parts = [name for name, part in shapes.items() if jax.tree.leaves(part)]
    for name in config.freeze:
        if name not in parts:
            raise UserError(
                f"train.freeze names {name!r}, but this model has no such part with parameters: {suggest(name, parts)}"
            )
    if set(parts) <= set(config.freeze):
        raise UserError(f"train.freeze is {list(config.freeze)}, which leaves nothing to train; omit one of them.")
