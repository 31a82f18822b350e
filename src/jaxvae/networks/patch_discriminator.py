"""The discriminator of patches: convolutions that say of each patch of an image how real it looks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.layers import Conv

HALVINGS = 3
GROUPS = 8  # Of the group normalisations; divides the width.
SLOPE = 0.2  # Of the leaky rectifiers below 0.


class PatchDiscriminator(nn.Module):
    """Three 4x4 convolutions of stride 2, each twice as wide as the one before, and a convolution to one logit a patch.

    Normalisation is by groups of channels, so that what the network says of an image does not depend on the others of
    its batch. The last kernel begins at 0: an untrained discriminator says 0 of everything.

    References:
        Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", appendix 6.1.2.
    """

    width: int

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> Float[Array, "b i j"]:
        y = jnp.asarray(2.0 * x - 1.0, jnp.float32)
        for level in range(HALVINGS):
            y = Conv(self.width * 2**level, jnp.float32, name=f"down_{level}")(y)
            if level > 0:
                y = nn.GroupNorm(GROUPS, use_fast_variance=False, name=f"norm_{level}")(y)
            y = nn.leaky_relu(y, SLOPE)
        logits = nn.Conv(1, (4, 4), kernel_init=nn.initializers.zeros_init(), name="logit")(y)
        return logits[..., 0]


class Discriminator(NamedTuple):
    """A discriminator as pure functions.

    Attributes:
        init: (key, (h, w, c)) -> params.
        logits: (params, x [b, h, w, c] in [0, 1]) -> [b, i, j], one number for each patch; above 0 is "real".
    """

    init: Callable[[PRNGKey, tuple[int, int, int]], Params]
    logits: Callable[[Params, Float[ArrayLike, "b h w c"]], Float[Array, "b i j"]]


def patch_discriminator(width: int) -> Discriminator:
    """Returns the discriminator whose first layer has `width` channels, a multiple of 8."""
    module = PatchDiscriminator(width)

    def init(key: PRNGKey, shape: tuple[int, int, int]) -> Params:
        params: Params = jax.jit(module.init)(key, jnp.zeros((1, *shape)))["params"]
        return params

    def logits(params: Params, x: Float[ArrayLike, "b h w c"]) -> Float[Array, "b i j"]:
        said: Any = module.apply({"params": params}, x)
        return said

    return Discriminator(init, logits)
