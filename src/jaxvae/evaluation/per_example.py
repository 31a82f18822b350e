"""One pass over a whole split: terms of the bound, reconstruction quality and posteriors, per example."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, PRNGKey
from jaxvae.codes import Code, Moments, flatten
from jaxvae.data.batches import epoch_batches, example_keys, gather
from jaxvae.data.pixels import scale, to_float
from jaxvae.evaluation.streaming import allocate
from jaxvae.experiment import Config
from jaxvae.objectives.metrics import ACTIVE_VARIANCE, with_bits_per_dim
from jaxvae.system.local_devices import Devices, local_layout
from jaxvae.told import tell, weights_of
from jaxvae.vae import VAE, Params, Prior, with_prior


class UnitStatistics(NamedTuple):
    """What is known of each unit over all images, in the order of `codes.flatten`.

    Attributes:
        variances: of the posterior means.
        rates: mean KL in nats of the last r units; None where there is no closed form. They are all units, or those
            below the coarsest levels of a hierarchy where only these have one.
    """

    variances: Float[np.ndarray, " d"]
    rates: Float[np.ndarray, " r"] | None


class PerExample(NamedTuple):
    """What each image contributes, [n, ...] in the order of the split, for pixels as the model sees them.

    Codes are those of the coarsest level of a hierarchy, the only one whose q(z|x) depends on the image alone; the
    levels below, of which there may be more than fits into memory, are summed up in `units`.

    Attributes:
        values: named numbers.
        posterior: q(z|x).
        z: the code drawn from it for the terms.
        units: statistics of all units of whole codes.
    """

    values: dict[str, Any]
    posterior: Any
    z: Code
    units: UnitStatistics


Measure = Callable[[Params, Array, np.ndarray], PerExample]


@runtime_checkable
class DrawCodes(Protocol):
    """(params, key, images uint8 [n, h, w, c]) -> a code of each as rows [n, d].

    A conditional model may be told the labels [n, a] of its attributes.
    """

    def __call__(
        self, params: Params, key: Array, images: np.ndarray, labels: np.ndarray | None = None
    ) -> Float[np.ndarray, "n d"]:
        """Draws the codes."""


OBJECTIVE = "objective_nats"  # The name of the objective's value among the others.


def psnr(x: Float[ArrayLike, "b h w c"], reconstruction: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """Returns the peak signal-to-noise ratio in decibels, for images in [0, 1]; larger is better."""
    error = jnp.mean(jnp.square(x - jnp.clip(reconstruction, 0.0, 1.0)), axis=(1, 2, 3))
    return -10.0 * jnp.log10(jnp.maximum(error, 1e-10))


def build_measure(
    vae: VAE, config: Config, batch_size: int | None = None, devices: Devices = None, examples: int = 1
) -> Measure:
    """Returns the function (params, key, images uint8 [n, h, w, c]) -> PerExample of all n, each counted once.

    The terms are those of training, with β = 1. The value of the objective itself has its weights of the last step, and
    is missing where it compares the images of a batch. Reconstructions are the likelihood's mean at the posterior mean.
    Each of the devices (None: all of this process) takes its share of a batch. `examples` is the number of training
    images, which an objective may use.
    """
    last = jnp.asarray(config.train.steps)
    objective, bits = config.objective.build(examples), config.model.likelihood.stored_bits(config.data.pixels)

    def one(params: Params, prior: Prior, key: PRNGKey, image: Array) -> Any:
        pixel_key, noise_key = jax.random.split(key)
        x, clean = to_float(pixel_key, image[None], config.data.pixels), scale(image[None])
        terms = objective.terms(with_prior(vae, prior), params, noise_key, x)
        values = with_bits_per_dim(objective.metrics(terms), bits, x[0].size)
        if config.objective.per_example:
            values[OBJECTIVE] = objective.value(terms, last)
        values["psnr_db"] = psnr(clean, vae.decode(params, vae.encode(params, clean).mean).mean)
        kept = (terms.posterior.top, terms.z[0]) if vae.levels else (terms.posterior, terms.z)
        kl_units = getattr(terms, "kl_units", None)
        rows = (flatten(terms.posterior.mean), flatten(kl_units) if jax.tree.leaves(kl_units) else None)
        return jax.tree.map(lambda leaf: leaf[0], ((values, *kept), rows))

    batch = jax.jit(jax.vmap(one, (None, None, 0, 0)))
    prior_of = jax.jit(vae.prior)

    def measure(params: Params, key: PRNGKey, images: np.ndarray) -> PerExample:
        size = batch_size or config.train.batch_size
        layout, filled, whole = local_layout(size, devices), 0, None
        params = layout.replicated(params)
        prior = prior_of(params)
        codes, rates = Moments(), Moments()
        for indices, real in epoch_batches(len(images), size):
            shares = layout.divided(gather(images, indices))
            result, (mean_rows, kl_rows) = jax.device_get(batch(params, prior, example_keys(key, indices), shares))
            if whole is None:
                whole = jax.tree.map(lambda leaf: allocate((len(images), *leaf.shape[1:]), leaf.dtype), result)
            rows = slice(filled, filled + real)
            jax.tree.map(lambda into, leaf, rows=rows, real=real: into.__setitem__(rows, leaf[:real]), whole, result)
            codes = codes.add(mean_rows[:real])
            if kl_rows is not None:
                rates = rates.add(kl_rows[:real])
            filled += real
        units = UnitStatistics(codes.variance, None if kl_rows is None else rates.mean)
        values, posterior, z = cast("tuple[dict[str, Any], Any, Code]", whole)
        return PerExample(values, posterior, z, units)

    return measure


def means(measured: PerExample) -> dict[str, float]:
    """Returns means over examples, never over batch means: a ragged last batch counts for what it holds."""
    values = {name: float(np.mean(each, dtype=np.float64)) for name, each in measured.values.items()}
    active = float(np.sum(measured.units.variances > ACTIVE_VARIANCE))
    return values | {"active_units": active, "n": float(len(next(iter(measured.values.values()))))}


def build_draw_codes(vae: VAE, config: Config, devices: Devices = None) -> DrawCodes:
    """Returns the function that draws a code of each image.

    The codes are draws from q(z|x), which together are what a prior has to match; those of a plain autoencoder are the
    means that it decodes. Of a hierarchy they are the levels of `vae.top`.
    """
    mean_alone = not config.objective.variational

    @jax.jit
    def rows(params: Params, key: PRNGKey, images: Array, labels: Array | None) -> Array:
        if labels is not None:
            params = tell(params, weights_of(labels, vae.attribute_values))
        # Pixels as in training: of grey pixels a model of binarised ones would have codes that it was never trained on.
        pixel_key, noise_key = jax.random.split(key)
        x = to_float(pixel_key, images, config.data.pixels)
        return flatten(vae.top(vae.encode(params, x).mean if mean_alone else vae.infer(params, noise_key, x).z))

    def each(params: Params, key: PRNGKey, images: np.ndarray, labels: np.ndarray | None) -> Iterator[np.ndarray]:
        layout = local_layout(config.train.batch_size, devices)
        params = layout.replicated(params)
        for batch, (indices, real) in enumerate(epoch_batches(len(images), config.train.batch_size)):
            shares = layout.divided(gather(images, indices))
            known = None if labels is None else layout.divided(labels[indices])
            yield np.asarray(rows(params, jax.random.fold_in(key, batch), shares, known))[:real]

    def draw_codes(
        params: Params, key: Array, images: np.ndarray, labels: np.ndarray | None = None
    ) -> Float[np.ndarray, "n d"]:
        return np.concatenate(list(each(params, key, images, labels)))

    return draw_codes
