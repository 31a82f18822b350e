"""Parts of the parameters that training leaves as they are, such as the encoder while the decoder is tuned."""

from jaxvae.annotations import Params
from jaxvae.config import TrainConfig


def split(params: Params, config: TrainConfig) -> tuple[Params, Params]:
    """Returns the parts of the parameters that are trained, and those of `train.freeze`, which are not."""
    frozen = {name: params[name] for name in config.freeze}
    return {name: part for name, part in params.items() if name not in frozen}, frozen
