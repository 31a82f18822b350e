"""The top-down hierarchy: maps of latents at every resolution, drawn from the coarsest to the finest.

A bottom-up network halves the image again and again and keeps a map of features at each resolution. The top-down
network starts from a learned map at the coarsest one. Each of its blocks predicts a prior, and from the features of the
image a posterior, adds the code to its map, and refines it; between resolutions the map is enlarged. One level of the
code holds the latents of all blocks at one resolution, [b, blocks, h, w, latents].

References:
    Child 2021, "Very deep VAEs generalize autoregressive models and can outperform them on images" (the blocks).
    Hazami et al. 2022, "Efficient-VDVAE" (a constant middle width; softplus for the scales).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.conv import level_sizes
from jaxvae.networks.hierarchy import Code, HierarchyNetworks, Pass
from jaxvae.networks.layers import Conv, Deconv, kernel_init
from jaxvae.networks.loops import one_after_another

SMALLEST_SCALE = 0.01  # Of priors and posteriors. A scale that could shrink to 0 would have gradients without bound.
LOG_2 = 0.6931471805599453


class Dense(nn.Module):
    """A dense layer on the channels of a map, its initial kernel multiplied by `scale`."""

    channels: int
    dtype: DTypeLike
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w {self.channels}"]:
        zeros = nn.initializers.zeros_init()
        init = nn.initializers.variance_scaling(self.scale**2, "fan_in", "truncated_normal") if self.scale else zeros
        return nn.Dense(self.channels, dtype=self.dtype, kernel_init=init)(x)


class Bottleneck(nn.Module):
    """Activation and convolution four times: to the `middle` channels, twice within them, and to the output's.

    The kernels within are 3x3, or 1x1 on maps of at most two pixels a side. `scale` multiplies the last initial kernel.
    Heads of distributions have a `last` layer of float32: a mean divided by a small scale needs its digits.
    """

    middle: int
    channels: int
    dtype: DTypeLike
    scale: float = 1.0
    last: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w {self.channels}"]:
        size = (3, 3) if min(x.shape[1:3]) > 2 else (1, 1)
        x = nn.Dense(self.middle, dtype=self.dtype, kernel_init=kernel_init)(nn.silu(x.astype(self.dtype)))
        for _ in range(2):
            x = nn.Conv(self.middle, size, dtype=self.dtype, kernel_init=kernel_init)(nn.silu(x))
        return Dense(self.channels, self.last or self.dtype, self.scale)(nn.silu(x))


class Residual(nn.Module):
    """A bottleneck added to its input."""

    middle: int
    dtype: DTypeLike
    scale: float

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return x + Bottleneck(self.middle, x.shape[-1], self.dtype, self.scale)(x).astype(x.dtype)


class Found(NamedTuple):
    """What a block found: its code u, and mean and log-variance of q(u|x), each [b, h, w, latents]."""

    code: Float[Array, "b h w z"]
    mean: Float[Array, "b h w z"]
    log_variance: Float[Array, "b h w z"]


class Block(nn.Module):
    """One block of the top-down network (Child 2021, figure 3).

    The last layer of the prior starts at zero: the prior at N(0, I), without an effect on the map.
    """

    middle: int
    latent: int
    dtype: DTypeLike
    scale: float  # 1 / √blocks, which keeps the sum of many blocks as large as that of one.

    @nn.compact
    def __call__(
        self,
        y: Float[Array, "b h w c"],
        features: Float[Array, "b h w c"] | None,
        code: Float[Array, "b h w z"],
        draw: bool,
    ) -> tuple[Float[Array, "b h w c"], Found]:
        """Returns the map below the block and what it found.

        Args:
            y: the map above the block.
            features: of the image at this resolution; None follows the prior.
            code: u, or the noise to draw it with.
            draw: whether `code` is noise.
        """
        channels = y.shape[-1]
        heads = Bottleneck(self.middle, channels + 2 * self.latent, self.dtype, 0.0, jnp.float32)(y)
        prior_mean, prior_raw, shown = jnp.split(heads, (self.latent, 2 * self.latent), axis=-1)
        prior_log_scale = log_scale(prior_raw)
        mean = log_variance = code
        if features is not None:
            seen = jnp.concatenate([y, features], axis=-1)
            heads = Bottleneck(self.middle, 2 * self.latent, self.dtype, last=jnp.float32)(seen)
            mean, raw = jnp.split(heads, 2, axis=-1)
            # In units of the prior.
            mean = (mean - prior_mean) * jnp.exp(-prior_log_scale)
            log_variance = 2.0 * (log_scale(raw) - prior_log_scale)
            code = mean + jnp.exp(0.5 * log_variance) * code if draw else code
        z = prior_mean + jnp.exp(prior_log_scale) * code
        y = y + shown + Dense(channels, jnp.float32, self.scale)(z)
        return Residual(self.middle, self.dtype, self.scale)(y), Found(code, mean, log_variance)


def log_scale(raw: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns log σ for σ = softplus(raw log 2) / log 2, which is 1 at 0 and has a slope of at most 1, plus a floor.

    References:
        Hazami et al. 2022, "Efficient-VDVAE", section 3.2 (gradient smoothing).
    """
    return jnp.log(jax.nn.softplus(LOG_2 * raw) / LOG_2 + SMALLEST_SCALE)


class Stem(nn.Module):
    """Images in [0, 1] to the map at the finest resolution of the hierarchy: halved once for each of `stem`."""

    stem: tuple[int, ...]
    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> Float[Array, "b H W {self.channels}"]:
        x = jnp.asarray(2.0 * x - 1.0, self.dtype)
        for channels in self.stem:
            x = nn.silu(Conv(channels, self.dtype)(x))
        kernel = (1, 1) if self.stem else (3, 3)
        return nn.Conv(self.channels, kernel, dtype=self.dtype, kernel_init=kernel_init)(x).astype(jnp.float32)


class Output(nn.Module):
    """The map at the finest resolution to the output at that of the image, the mirror of `Stem`.

    The last layer is one of float32: bfloat16 would round the image to steps of half a grey level.
    """

    shape: tuple[int, int, int]
    stem: tuple[int, ...]
    dtype: DTypeLike

    @nn.compact
    def __call__(self, y: Float[Array, "b h w c"]) -> Float[Array, "b H W o"]:
        height, width, outputs = self.shape
        *finer, _ = level_sizes(height, width, len(self.stem))
        y = y.astype(self.dtype)
        if not self.stem:
            return nn.Conv(outputs, (3, 3), dtype=jnp.float32)(nn.silu(y))
        y = nn.Dense(self.stem[-1], dtype=self.dtype, kernel_init=kernel_init)(nn.silu(y))
        dtypes = (*[self.dtype] * (len(self.stem) - 1), jnp.float32)
        for (rows, columns), channels, dtype in zip(
            reversed(finer), (*self.stem[-2::-1], outputs), dtypes, strict=True
        ):
            y = Deconv(channels, dtype)(nn.silu(y))[:, :rows, :columns]
        return y


class Smaller(nn.Module):
    """Halves a map by the mean over 2x2 pixels, odd sides rounded up, and sets its channels."""

    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b (h+1)//2 (w+1)//2 {self.channels}"]:
        x = nn.avg_pool(x, (2, 2), (2, 2), "SAME", count_include_pad=False)
        return x if x.shape[-1] == self.channels else Dense(self.channels, self.dtype)(x).astype(jnp.float32)


class Larger(nn.Module):
    """Doubles a map by repeating its pixels, cropped to `size`, and adds a learned map.

    With learned kernels in its place the coarse levels come to be ignored (Child 2021, section 3.2).
    """

    channels: int
    size: tuple[int, int]
    dtype: DTypeLike

    @nn.compact
    def __call__(self, y: Float[Array, "b h w i"]) -> Float[Array, "b H W {self.channels}"]:
        if y.shape[-1] != self.channels:
            y = Dense(self.channels, self.dtype)(y).astype(jnp.float32)
        y = jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)[:, : self.size[0], : self.size[1]]
        return y + self.param("map", nn.initializers.zeros_init(), (*self.size, self.channels))[None]


def top_down_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    stem: tuple[int, ...],
    channels: tuple[int, ...],
    blocks: tuple[int, ...],
    encoder_blocks: tuple[int, ...],
    middle: int,
    latent: tuple[int, ...],
    dtype: str,
) -> HierarchyNetworks:
    """Returns the networks for images of this shape.

    Args:
        shape: height, width and channels of the images.
        outputs: numbers per pixel that the decoder yields.
        stem: channels of the convolutions between the image and the finest level, each of which halves the image.
        channels: of the maps at each resolution, finest first.
        blocks: top-down blocks at each resolution, finest first.
        encoder_blocks: residual blocks of the bottom-up network, likewise.
        middle: channels within a block.
        latent: channels of the code of each block at each resolution, likewise.
        dtype: what the blocks compute in; codes, their densities and the output are float32.
    """
    kind = jnp.dtype(dtype)
    resolutions = range(len(blocks))
    sizes = level_sizes(*level_sizes(shape[0], shape[1], len(stem))[-1], len(blocks) - 1)
    scale, encoder_scale = sum(blocks) ** -0.5, max(1, sum(encoder_blocks)) ** -0.5
    block = [Block(middle, latents, kind, scale) for latents in latent]
    residual = Residual(middle, kind, encoder_scale)
    look_stem, output = Stem(stem, channels[0], kind), Output((shape[0], shape[1], outputs), stem, kind)
    smaller = [Smaller(channels[r], kind) for r in resolutions[1:]]
    larger = [Larger(channels[r], sizes[r], kind) for r in resolutions[:-1]]

    def maps(r: int) -> Array:  # Of zeros, to initialise the layers of a level.
        return jnp.zeros((1, *sizes[r], channels[r]))

    @jax.jit
    def init(key: PRNGKey) -> Params:
        keys = iter(jax.random.split(key, 4 * len(blocks) + 2))

        def stacked(count: int, module: nn.Module, *arguments: Any) -> Params:
            def one(key: PRNGKey) -> Params:
                return dict(module.init(key, *arguments)["params"])

            each: Params = jax.vmap(one)(jax.random.split(next(keys), count))
            return each

        def params(module: nn.Module, *arguments: Any) -> Params:
            return dict(module.init(next(keys), *arguments)["params"])

        code = [jnp.zeros((1, *size, latents)) for size, latents in zip(sizes, latent, strict=True)]
        encoder = {"stem": params(look_stem, jnp.zeros((1, *shape)))}
        decoder = {"output": params(output, maps(0)), "start": jnp.zeros((*sizes[-1], channels[-1]))}
        for r in resolutions:
            name = level_name(sizes[r])
            if encoder_blocks[r]:
                encoder[f"blocks_{name}"] = stacked(encoder_blocks[r], residual, maps(r))
            decoder[f"blocks_{name}"] = stacked(blocks[r], block[r], maps(r), maps(r), code[r], True)
            if r and channels[r] != channels[r - 1]:  # Otherwise it only takes means.
                encoder[f"smaller_{name}"] = params(smaller[r - 1], maps(r - 1))
            if r + 1 < len(blocks):
                decoder[f"larger_{name}"] = params(larger[r], maps(r + 1))
        return {"encoder": encoder, "decoder": decoder}

    def look(params: Params, x: Float[ArrayLike, "b h w c"]) -> tuple[Array, ...]:
        own = params["encoder"]
        features: list[Array] = []
        h: Any = look_stem.apply({"params": own["stem"]}, x)

        def step(h: Array, params: Params) -> tuple[Array, tuple[()]]:
            below: Any = residual.apply({"params": params}, h)
            return below, ()

        for r in resolutions:
            name = level_name(sizes[r])
            h = smaller[r - 1].apply({"params": own.get(f"smaller_{name}", {})}, h) if r else h
            if encoder_blocks[r]:
                h, _ = one_after_another(step, h, own[f"blocks_{name}"])
            features.append(h)
        return tuple(features[::-1])

    def down(params: Params, features: tuple[Array, ...] | None, codes: Code, draw: bool) -> Pass:
        own, found = params["decoder"], []
        y: Any = None
        batch = jax.tree.leaves(codes)[0].shape[0]  # A symbol where the model is exported.
        for level, r in enumerate(reversed(resolutions)):
            name = level_name(sizes[r])
            if y is None:
                y = jnp.broadcast_to(own["start"][None], (batch, *own["start"].shape))
            else:
                y = larger[r].apply({"params": own[f"larger_{name}"]}, y)
            seen = None if features is None else features[level]
            code = codes[level] if level < len(codes) else jnp.zeros((batch, blocks[r], *sizes[r], latent[r]))

            def step(y: Array, inputs: Any, seen: Array | None = seen, r: int = r) -> tuple[Array, Found]:
                below: Any = block[r].apply({"params": inputs[0]}, y, seen, inputs[1], draw)
                return below

            y, at_level = one_after_another(step, y, (own[f"blocks_{name}"], jnp.moveaxis(code, 1, 0)))
            found.append(jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), at_level))
        shown: Any = output.apply({"params": own["output"]}, y)
        codes, means, log_variances = (tuple(part) for part in zip(*found, strict=True))
        return Pass(codes, means, log_variances, shown)

    return HierarchyNetworks(
        init,
        look,
        partial(down, draw=True),
        partial(down, draw=False),
        lambda params, codes: down(params, None, codes, False).output,
        tuple((blocks[r], *sizes[r], latent[r]) for r in reversed(resolutions)),
        tuple(level_name(sizes[r]) for r in reversed(resolutions)),
    )


def level_name(size: tuple[int, int]) -> str:
    """Returns the name of a level, after the height and width of its maps."""
    return f"{size[0]}x{size[1]}"
