"""The networks of the two-level VAE of the VampPrior paper: dense, or with convolutions next to the images.

x ──▶ z2, and x with z2 ──▶ z1;  z2 ──▶ z1, and z1 with z2 ──▶ x    (Tomczak & Welling 2018, section 4 and appendix)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.dense import Dense
from jaxvae.networks.hierarchy import Code, HierarchyNetworks, Pass
from jaxvae.networks.layers import halve, kernel_init, soft_clip
from jaxvae.networks.mlp import Hidden

FEATURE_MAPS = 6  # Channels of the map that the convolutions hand to the dense layers.


class GatedConv(nn.Module):
    """A convolution times a learned sigmoid gate (Dauphin et al. 2017, equation 1)."""

    channels: int
    size: int
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W {self.channels}"]:
        sides, strides = (self.size, self.size), (self.stride, self.stride)
        return nn.glu(nn.Conv(2 * self.channels, sides, strides, kernel_init=kernel_init)(x))


class Stack(nn.Module):
    """Gated dense layers of `hidden` units, one after the other."""

    hidden: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b i"]) -> Float[Array, "b o"]:
        for units in self.hidden:
            x = Hidden(units, "gated", jnp.float32)(x)
        return x


class Heads(nn.Module):
    """The mean and the log-variance of a level, the latter kept within bounds."""

    units: int
    log_variance_range: tuple[float, float]

    @nn.compact
    def __call__(self, x: Float[Array, "b i"]) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        mean, log_variance = jnp.split(Dense(2 * self.units, jnp.float32)(x), 2, axis=-1)
        return mean, soft_clip(log_variance, *self.log_variance_range)


class Look(nn.Module):
    """Images to the features that one of the two posteriors takes."""

    hidden: tuple[int, ...]
    convolutions: tuple[tuple[int, int, int], ...]  # Channels, size and stride of each.

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> Float[Array, "b o"]:
        x = jnp.asarray(2.0 * x - 1.0)
        for channels, size, stride in self.convolutions:
            x = GatedConv(channels, size, stride)(x)
        return Stack(self.hidden)(x.reshape(x.shape[0], -1))


class TwoLevels(nn.Module):
    """All networks of the model, as methods on shared parameters."""

    shape: tuple[int, int, int]
    hidden: int
    latent: tuple[int, int]
    log_variance_range: tuple[float, float]
    convolutional: bool

    def setup(self) -> None:
        """Names the layers after the distributions that they belong to."""
        top, bottom = self.latent
        height, width, _ = self.shape
        to_top: tuple[tuple[int, int, int], ...] = ()
        to_bottom: tuple[tuple[int, int, int], ...] = ()
        if self.convolutional:
            to_top = ((32, 7, 1), (32, 3, 2), (64, 5, 1), (64, 3, 2), (FEATURE_MAPS, 3, 1))
            to_bottom = ((32, 3, 1), (32, 3, 2), (64, 3, 1), (64, 3, 2), (FEATURE_MAPS, 3, 1))
        joint = halve(halve(height)) * halve(halve(width)) * FEATURE_MAPS if self.convolutional else self.hidden
        alone = () if self.convolutional else (self.hidden,)
        self.look_top = Look(() if self.convolutional else (self.hidden, self.hidden), to_top)
        self.look_bottom = Look(alone, to_bottom)
        self.posterior_top = Heads(top, self.log_variance_range)
        self.posterior_from_top, self.posterior_joint = Stack((joint,)), Stack((self.hidden,))
        self.posterior_bottom = Heads(bottom, self.log_variance_range)
        self.prior_hidden = Stack((self.hidden, self.hidden))
        self.prior_bottom = Heads(bottom, self.log_variance_range)
        self.decode_bottom, self.decode_top = Stack((self.hidden,)), Stack((self.hidden,))
        self.decode_joint = Stack((height * width if self.convolutional else self.hidden,))
        if self.convolutional:
            self.decode_maps = [GatedConv(64, 3, 1) for _ in range(4)]
        last: Any = nn.Conv(self.shape[2], (1, 1))
        self.output = last if self.convolutional else Dense(height * width * self.shape[2], jnp.float32)

    def look(self, x: Float[ArrayLike, "b h w c"]) -> tuple[Array, Array]:
        """Returns the features for q(z2|x) and for q(z1|x, z2)."""
        return self.look_top(x), self.look_bottom(x)

    def down(self, codes: Code, features: tuple[Array, Array] | None, draw: bool) -> Pass:
        """Returns the way down; without features, its means and log-variances are empty.

        Args:
            codes: u of each level; noise to draw it with if `draw`. A missing level is 0.
            features: of `look`; None for no posterior.
            draw: whether codes are drawn from the posterior or given.
        """
        means: tuple[Array, ...] = ()
        log_variances: tuple[Array, ...] = ()
        top, *given = (jnp.asarray(level) for level in codes)
        if features is not None:
            mean, log_variance = self.posterior_top(features[0])
            means, log_variances = (mean,), (log_variance,)
            top = mean + jnp.exp(0.5 * log_variance) * top if draw else top
        prior_mean, prior_log_variance = self.prior_bottom(self.prior_hidden(top))
        u = given[0] if given else jnp.zeros_like(prior_mean)
        if features is not None:
            joint = jnp.concatenate([features[1], self.posterior_from_top(top)], axis=-1)
            mean, log_variance = self.posterior_bottom(self.posterior_joint(joint))
            # In units of the prior.
            mean = (mean - prior_mean) * jnp.exp(-0.5 * prior_log_variance)
            log_variance = log_variance - prior_log_variance
            means, log_variances = (*means, mean), (*log_variances, log_variance)
            u = mean + jnp.exp(0.5 * log_variance) * u if draw else u
        bottom = prior_mean + jnp.exp(0.5 * prior_log_variance) * u
        x = self.decode_joint(jnp.concatenate([self.decode_bottom(bottom), self.decode_top(top)], axis=-1))
        height, width, outputs = self.shape
        if self.convolutional:
            x = x.reshape(-1, height, width, 1)
            for layer in self.decode_maps:
                x = layer(x)
        output: Array = self.output(x)
        return Pass((top, u), means, log_variances, output.reshape(-1, height, width, outputs))

    def everything(self, x: Float[ArrayLike, "b h w c"], noise: Code) -> Any:
        """Runs every layer, to initialise it."""
        return self.down(noise, self.look(x), True)


def two_level_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    hidden: int,
    latent: tuple[int, int],
    log_variance_range: tuple[float, float],
    convolutional: bool,
) -> HierarchyNetworks:
    """Returns the networks for images of this shape.

    Args:
        shape: height, width and channels of the images.
        outputs: numbers per pixel that the decoder yields.
        hidden: units of each gated layer.
        latent: units of z2, the top level, and of z1.
        log_variance_range: bounds of the log-variances of q(z2|x), q(z1|x, z2) and p(z1|z2).
        convolutional: whether convolutions stand next to the images.
    """
    module = TwoLevels((shape[0], shape[1], outputs), hidden, latent, log_variance_range, convolutional)
    shapes = tuple((units,) for units in latent)

    @jax.jit
    def init(key: PRNGKey) -> Params:
        noise = tuple(jnp.zeros((1, *each)) for each in shapes)
        return {"networks": module.init(key, jnp.zeros((1, *shape)), noise, method="everything")["params"]}

    def call(params: Params, method: str, *arguments: Any) -> Any:
        return module.apply({"params": params["networks"]}, *arguments, method=method)

    def way(draw: bool) -> Callable[[Params, Any, Code], Pass]:
        def run(params: Params, features: Any, codes: Code) -> Pass:
            found: Pass = call(params, "down", codes, features, draw)
            return found

        return run

    def generate(params: Params, codes: Code) -> Float[Array, "b h w o"]:
        found: Pass = call(params, "down", codes, None, False)
        return found.output

    return HierarchyNetworks(
        init, lambda params, x: call(params, "look", x), way(True), way(False), generate, shapes, ("z2", "z1")
    )
