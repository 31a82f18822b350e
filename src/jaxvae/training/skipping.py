"""Updates that are not made: those of a loss or gradient that is not finite, and those of a sudden spike.

Decided on the device, so that the host need not wait for a step to know whether it may be followed by another.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvae.config import TrainConfig
from jaxvae.data.batches import batch_indices
from jaxvae.experiment import Config
from jaxvae.system.files import whole_file

REMEMBERED = 100


QUANTILE = 0.9


class Guard(NamedTuple):
    """What is remembered of earlier steps: the last gradient norms, newest last, and how many updates were skipped."""

    norms: Float[Array, " n"]
    skipped: Int[Array, ""]
    not_finite_in_a_row: Int[Array, ""]
    spikes_in_a_row: Int[Array, ""]


def new_guard() -> Guard:
    """Nothing seen yet. Infinite norms stand for those to come: nothing is above them."""
    # An array each: the train step gives the state away, and no buffer may be given away twice.
    return Guard(jnp.full(REMEMBERED, jnp.inf), *(jnp.zeros((), jnp.int32) for _ in range(3)))


def watch(
    guard: Guard, loss: Float[Array, ""], norm: Float[Array, ""], config: TrainConfig
) -> tuple[Guard, Bool[Array, ""]]:
    """Whether the update of this loss and gradient norm is to be made, and what to remember of it.

    A spike is a norm above `train.spike_factor` times the running quantile. Its norm is remembered all the same, so
    that the quantile follows a change that lasts, and after `train.most_spikes` skipped in a row the next one is let
    through: however the norms go, training goes on. Once the guard has `stopped`, nothing changes any more.
    """
    going, finite = ~stopped(guard, config), jnp.isfinite(loss) & jnp.isfinite(norm)
    spike, norms = jnp.zeros((), bool), guard.norms
    if config.spike_factor is not None:
        # "higher" gives one of the norms themselves: between two of them lies no number where one is infinite.
        usual = jnp.quantile(norms, QUANTILE, method="higher")
        spike = finite & (norm > config.spike_factor * usual) & (guard.spikes_in_a_row < config.most_spikes)
        norms = jnp.where(finite, jnp.append(norms[1:], norm), norms)
    made = finite & ~spike
    after = Guard(
        norms=norms,
        skipped=guard.skipped + ~made,
        not_finite_in_a_row=jnp.where(finite, 0, guard.not_finite_in_a_row + 1),
        spikes_in_a_row=jnp.where(made, 0, guard.spikes_in_a_row + spike),
    )
    kept = Guard(*(jnp.where(going, new, old) for new, old in zip(after, guard, strict=True)))
    return kept, made & going


def stopped(guard: Guard, config: TrainConfig) -> Bool[Array, ""]:
    """Whether `train.most_not_finite` steps in a row were not finite: time to end the run."""
    return guard.not_finite_in_a_row >= config.most_not_finite


# Where a number that is not finite is looked for, causes before effects.
TERMS = ("log_likelihood_nats", "kl_nats", "loss", "gradient_norm")


REPORT = "not-finite.json"


class Trouble(NamedTuple):
    """A skipped step, how many in a row were not finite with it, and what is wrong."""

    step: int
    in_a_row: int
    what: str


def blamed(values: dict[str, float], layers: Sequence[str], layer_norms: np.ndarray) -> str:
    """The term and the layers whose gradients are not finite; of a spike the layer with the largest gradient."""
    bad = [name for name, norm in zip(layers, layer_norms, strict=True) if not math.isfinite(norm)]
    term = next((name for name in TERMS if not math.isfinite(values.get(name, 0.0))), None)
    if term is None:
        most = layers[int(np.argmax(layer_norms))]
        return f"a spike, gradient_norm {values['gradient_norm']:.4g}, largest in {most}"
    where = "every layer" if len(bad) == len(layers) else ", ".join(bad) or "no single layer"
    return f"{term} is {values[term]}, the gradient not finite in {where}"


def report(run: Path, trouble: Trouble, config: Config, pictures: int) -> Path:
    """Writes down which pictures of the training split the steps in a row were of; returns the file."""
    steps = range(trouble.step - trouble.in_a_row + 1, trouble.step + 1)
    # Step t, counted from 1 as in the metrics, is of batch t - 1.
    batches = {step: batch_indices(config.seed, step - 1, config.train.batch_size, pictures).tolist() for step in steps}
    path = run / REPORT
    with whole_file(path) as file:
        file.write(json.dumps({"what": trouble.what, "split": "train", "pictures_by_step": batches}).encode() + b"\n")
    return path
