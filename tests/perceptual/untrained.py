"""SqueezeNet without its training, for tests of what does not depend on it."""

import jax
import jax.numpy as jnp

from jaxvae.perceptual.squeezenet import layer_shapes


def random_squeezenet(key):
    """Parameters as before training (He et al. 2015)."""
    keys = jax.random.split(key, len(layer_shapes()))
    draw = jax.nn.initializers.he_normal()
    return {
        name: (draw(layer_key, shape, jnp.float32), jnp.zeros(shape[3]))
        for layer_key, (name, shape) in zip(keys, layer_shapes().items(), strict=True)
    }
