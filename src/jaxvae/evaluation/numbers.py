"""Reported numbers from measured arrays: means with standard errors, named with their units."""

import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.levels import Levels
from jaxvae.evaluation.log_likelihood import Bounds
from jaxvae.evaluation.per_example import PerExample
from jaxvae.evaluation.rate_decomposition import decompose
from jaxvae.likelihoods import StoredBits
from jaxvae.objectives.metrics import ACTIVE_VARIANCE, bits_per_dim
from jaxvae.vae import Prior

ACTIVE_CHANNEL_NATS = 0.01


def mean(values: Float[np.ndarray, " n"]) -> dict[str, float | None]:
    """Returns the mean over images and its standard error s / √n, None for a single image."""
    values = np.asarray(values, np.float64)
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error}


def bound_numbers(measured: PerExample, prior: Prior) -> dict[str, Any]:
    """Returns the ELBO and its two parts: elbo = −distortion − rate."""
    gaussian = isinstance(prior, Normal)
    estimator = "closed form" if gaussian else "log q(z|x) - log p(z) at one sample"
    if isinstance(prior, Levels):
        of_the_top = "closed form" if isinstance(prior.top, Normal) else "log q - log p of the top"
        estimator = f"{of_the_top}, and each level in closed form given one sample of the levels above it"
    return {
        "elbo_nats": mean(measured.values["elbo_nats"]) | {"samples": 1},
        "rate_nats": mean(measured.values["kl_nats"]) | {"estimator": estimator},
        "distortion_nats": mean(-measured.values["log_likelihood_nats"]) | {"samples": 1},
    }


def likelihood_numbers(bounds: Bounds, bits: StoredBits | None, dimensions: int) -> dict[str, Any]:
    """Returns the importance-weighted bound at each K, and the last one in bits per dimension where that is defined."""
    rows = zip(bounds.samples, bounds.log_likelihood_nats, bounds.effective_samples, strict=True)
    numbers: dict[str, Any] = {
        "log_likelihood_nats": [
            {"k": k, **mean(values), "effective_samples": float(np.mean(effective))} for k, values, effective in rows
        ],
        "bits_per_dim": None,
    }
    if bits is not None:
        last = np.asarray(bits_per_dim(bounds.log_likelihood_nats[-1], bits, dimensions))
        of = {"of": f"log_likelihood_nats at k = {bounds.samples[-1]}", "bit_depth": bits.depth}
        numbers["bits_per_dim"] = mean(last) | of | {"dequantisation": "uniform" if bits.volume else None}
    return numbers


def level_numbers(measured: PerExample, levels: tuple[str, ...], like: Code) -> list[dict[str, Any]]:
    """Returns rate, active units and channels of each level of a hierarchy, coarsest first; empty for other models.

    A channel is the last axis of a level, of each of its blocks. It is active if its mean KL is above
    ACTIVE_CHANNEL_NATS; the KL has a closed form where the prior is Gaussian: below the coarsest level always.

    Args:
        measured: of all images.
        levels: their names.
        like: a pytree with the shape of one code.
    """
    numbers, first, known = [], 0, measured.units.rates
    without = 0 if known is None else len(measured.units.variances) - len(known)  # Units without a closed form.
    for name, shape in zip(levels, [level.shape for level in like], strict=True):
        units = slice(first, first := first + math.prod(shape))
        each: dict[str, Any] = {
            "name": name,
            "units": math.prod(shape),
            "active_units": int(np.sum(measured.units.variances[units] > ACTIVE_VARIANCE)),
        }
        if f"kl_nats/{name}" in measured.values:
            each["rate_nats"] = mean(measured.values[f"kl_nats/{name}"])
        if known is not None and units.start >= without:
            rates = known[units.start - without : units.stop - without].reshape(shape)
            # Of a map [h, w, c] the sum over places; those of a hierarchy have an axis of blocks before them.
            channels = rates.sum(axis=(-3, -2)) if len(shape) > 2 else rates
            each |= {
                "channels": channels.size,
                "active_channels": int(np.sum(channels > ACTIVE_CHANNEL_NATS)),
                "rate_per_channel_nats": channels.tolist(),
            }
        numbers.append(each)
    return numbers


def code_numbers(measured: PerExample, prior: Prior) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns statistics of the latent space, and the parts of the rate per image."""
    variances, rates = measured.units
    numbers = {
        "units": len(variances),
        "active_units": int(np.sum(variances > ACTIVE_VARIANCE)),
        "active_unit_rule": f"Var_x(E[z|x]) > {ACTIVE_VARIANCE}",
        "rate_per_unit_nats": None if rates is None or len(rates) < len(variances) else rates.tolist(),
    }
    of = ""
    if isinstance(prior, Levels):
        if prior.joint:  # Over levels together: it has no part for the coarsest one alone.
            return numbers, {}
        prior, of = prior.top, "; of the coarsest level alone"
    parts = decompose(measured.z, measured.posterior, prior)
    count = len(jax.tree.leaves(measured.z)[0])
    aggregate = f"q(z) is the mixture of the {count} posteriors, at one sample of each{of}"
    numbers |= {
        "mutual_information_nats": mean(parts.information)
        | {"estimator": f"log q(z|x) - log q(z); {aggregate}", "at_most": float(np.log(count))},
        "aggregate_kl_nats": mean(parts.aggregate_kl) | {"estimator": f"log q(z) - log p(z); {aggregate}"},
    }
    return numbers, {"mutual_information_nats": parts.information, "aggregate_kl_nats": parts.aggregate_kl}
