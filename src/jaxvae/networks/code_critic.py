"""The network that guesses attributes from codes."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.layers import kernel_init

SLOPE = 0.2  # Of the leaky rectifiers below 0.


def init_code_critic(key: PRNGKey, units: int, width: int, attributes: int, values: int) -> Params:
    """Returns the parameters of two hidden layers and of logits over the values of each attribute, all 0 at first.

    Their shapes are all that `guess_attributes` needs to know.

    Args:
        key: for the hidden layers.
        units: units of a code.
        width: units of a hidden layer.
        attributes: number of attributes.
        values: number of values that each can have.
    """
    first, second = jax.random.split(key)
    return {
        "hidden": [
            {"kernel": kernel_init(first, (units, width)), "bias": jnp.zeros(width)},
            {"kernel": kernel_init(second, (width, width)), "bias": jnp.zeros(width)},
        ],
        "logits": {"kernel": jnp.zeros((width, attributes, values)), "bias": jnp.zeros((attributes, values))},
    }


def guess_attributes(params: Params, rows: Float[ArrayLike, "b d"]) -> Float[Array, "b a v"]:
    """Returns logits over the values of each attribute, from codes as rows."""
    y = jnp.asarray(rows)
    for layer in params["hidden"]:
        y = jax.nn.leaky_relu(y @ layer["kernel"] + layer["bias"][None], SLOPE)
    last = params["logits"]
    return jnp.einsum("bh,hav->bav", y, last["kernel"]) + last["bias"][None]
