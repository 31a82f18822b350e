"""Skips updates whose loss or gradient is not finite, or whose gradient norm spikes.

The decision is made on the device, so the host can dispatch the next step without waiting for the result.
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
from jaxvae.system.files import atomic_write

NORM_HISTORY = 100
QUANTILE = 0.9

# Metrics searched for the first value that is not finite, causes before effects.
TERMS = ("log_likelihood_nats", "kl_nats", "loss", "gradient_norm")
REPORT_FILE = "not-finite.json"


class SkipState(NamedTuple):
    """State carried between steps: the last gradient norms, newest last, and the number of skipped updates."""

    norms: Float[Array, " n"]
    skipped: Int[Array, ""]
    not_finite_in_a_row: Int[Array, ""]
    spikes_in_a_row: Int[Array, ""]


def init_skip_state() -> SkipState:
    """Returns the initial state. Missing norms are infinite, so that no norm counts as a spike at first."""
    # Separate arrays: the train step donates the state, and no buffer may be donated twice.
    return SkipState(jnp.full(NORM_HISTORY, jnp.inf, jnp.float32), *(jnp.zeros((), jnp.int32) for _ in range(3)))


def decide_update(
    guard: SkipState, loss: Float[Array, ""], norm: Float[Array, ""], config: TrainConfig
) -> tuple[SkipState, Bool[Array, ""]]:
    """Decides whether to apply an update, from its loss and gradient norm; returns the new state and the decision.

    A spike is a norm above `train.spike_factor` times the running quantile. Its norm is recorded nevertheless, so that
    the quantile adapts to a lasting change, and after `train.most_spikes` consecutive spikes the next update is applied
    anyway, so that training always continues. Once `should_stop` is True, the state no longer changes.
    """
    going, finite = ~should_stop(guard, config), jnp.isfinite(loss) & jnp.isfinite(norm)
    spike, norms = jnp.zeros((), bool), guard.norms
    if config.spike_factor is not None:
        # "higher" returns one of the norms: interpolation between a finite and an infinite one is undefined.
        usual = jnp.quantile(norms, QUANTILE, method="higher")
        spike = finite & (norm > config.spike_factor * usual) & (guard.spikes_in_a_row < config.most_spikes)
        norms = jnp.where(finite, jnp.append(norms[1:], norm), norms)
    applied = finite & ~spike
    after = SkipState(
        norms=norms,
        skipped=guard.skipped + ~applied,
        not_finite_in_a_row=jnp.where(finite, 0, guard.not_finite_in_a_row + 1),
        spikes_in_a_row=jnp.where(applied, 0, guard.spikes_in_a_row + spike),
    )
    kept = SkipState(*(jnp.where(going, new, old) for new, old in zip(after, guard, strict=True)))
    return kept, applied & going


def should_stop(guard: SkipState, config: TrainConfig) -> Bool[Array, ""]:
    """Whether `train.most_not_finite` consecutive steps were not finite, so that the run should end."""
    return guard.not_finite_in_a_row >= config.most_not_finite


class SkippedStep(NamedTuple):
    """A skipped step, the number of consecutive steps up to it that were not finite, and the cause."""

    step: int
    in_a_row: int
    what: str


def find_cause(values: dict[str, float], layers: Sequence[str], layer_norms: np.ndarray) -> str:
    """Describes why a step was skipped, for messages.

    Args:
        values: the step's metrics.
        layers: names of the layers.
        layer_norms: gradient norm of each layer.

    Returns:
        The term and the layers whose gradients are not finite; for a spike, the layer with the largest gradient.
    """
    bad = [name for name, norm in zip(layers, layer_norms, strict=True) if not math.isfinite(norm)]
    term = next((name for name in TERMS if not math.isfinite(values.get(name, 0.0))), None)
    if term is None:
        largest = layers[int(np.argmax(layer_norms))]
        return f"gradient spike, gradient_norm {values['gradient_norm']:.4g}, largest in {largest}"
    where = "every layer" if len(bad) == len(layers) else ", ".join(bad) or "no single layer"
    return f"{term} is {values[term]}, gradient not finite in {where}"


def write_report(run: Path, skipped: SkippedStep, config: Config, count: int) -> Path:
    """Writes the training images of the consecutive skipped steps to a JSON file; returns its path.

    Args:
        run: the run folder.
        skipped: the last skipped step.
        config: config of the run.
        count: number of training images.
    """
    steps = range(skipped.step - skipped.in_a_row + 1, skipped.step + 1)
    # Step t, counted from 1 as in the metrics, uses batch t - 1.
    batches = {step: batch_indices(config.seed, step - 1, config.train.batch_size, count).tolist() for step in steps}
    path = run / REPORT_FILE
    with atomic_write(path) as file:
        file.write(json.dumps({"what": skipped.what, "split": "train", "pictures_by_step": batches}).encode() + b"\n")
    return path
