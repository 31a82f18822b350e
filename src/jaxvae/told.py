"""Attributes that a conditional VAE is told: weights over their values, carried in its parameters.

A conditional VAE (Sohn et al. 2015) describes p(x|z, y), where y are attributes of the image. `tell(params, weights)`
returns parameters under which `encode` and `decode` are those of y; without it every attribute is unknown, and the
model is an ordinary VAE. So whatever takes a model and its parameters works on a conditional one, and can be told y.

Weights are [b, a, 1 + v]: for each of a attributes, one weight that it is unknown and one for each of its v values.
Those of known values are one-hot; a mixture is between values, as on a walk from one to the other.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvae.annotations import ArrayLike, Params, PRNGKey, PRNGKeys
from jaxvae.labels import UNKNOWN

TOLD = "told"  # Name of the weights among the parameters.
FREE_SHARE, WHOLE_SHARE = 0.15, 0.5  # Shares of the examples whose attributes are all hidden, or all shown.


def tell(params: Params, weights: Float[ArrayLike, "b a v"] | None) -> Params:
    """Returns the parameters of the model that is told these weights, one row for all images or one for each."""
    return untold(params) if weights is None else {**params, TOLD: jnp.asarray(weights)}


def untold(params: Params) -> Params:
    """Returns the parameters of the model that is told nothing."""
    return {name: part for name, part in params.items() if name != TOLD}


def weights_of(labels: Int[ArrayLike, "b a"], values: int) -> Float[Array, "b a {values}+1"]:
    """Returns the weights of known values, one-hot; of negative labels that of "unknown"."""
    return jax.nn.one_hot(jnp.maximum(jnp.asarray(labels), UNKNOWN) + 1, values + 1)


def told_weights(params: Params, attributes: int, values: int) -> Float[Any, "b a {values}+1"]:
    """Returns the weights that the parameters carry, or those of unknown attributes [1, a, v]."""
    if TOLD in params:
        return params[TOLD]
    return weights_of(np.full((1, attributes), UNKNOWN), values)


def draw_shown(keys: Sequence[PRNGKey] | PRNGKeys, shape: tuple[int, int]) -> Bool[Array, "..."]:
    """Draws which attributes [b, a] each example shows in training: a share of its own, from none to all.

    So the model learns what an image looks like given any set of its attributes. Needs three keys.
    """
    share_key, hide_key, free_key = keys
    share = jax.random.uniform(share_key, (shape[0], 1))
    share = jnp.where(jax.random.uniform(free_key, (shape[0], 1)) < FREE_SHARE, 0.0, share)
    return jax.random.uniform(hide_key, shape) < share


def hide_some(key: PRNGKey, labels: Int[ArrayLike, "b a"]) -> Int[Array, "b a"]:
    """Returns the labels as a conditional model is told them in training: those of some images whole, of some in part.

    FREE_SHARE of the images show none, WHOLE_SHARE all, and the others as many as `draw_shown` draws. Whatever is not
    told the code has to say; with few whole ones it would say everything, and the decoder would hardly listen.
    """
    images, attributes = np.shape(labels)
    kind_key, *keys = jax.random.split(key, 4)
    kind = jax.random.uniform(kind_key, (images, 1))
    shown = (draw_shown(keys, (images, attributes)) & (kind > FREE_SHARE)) | (kind > 1.0 - WHOLE_SHARE)
    return jnp.where(shown, jnp.asarray(labels), UNKNOWN)
