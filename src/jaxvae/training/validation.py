"""Validation and early stopping."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8

from jaxvae.annotations import PRNGKey
from jaxvae.data.batches import gather
from jaxvae.data.pixels import to_float
from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.per_example import OBJECTIVE, Measure, means
from jaxvae.experiment import Config
from jaxvae.training.metric_log import MetricLog, print_line, write
from jaxvae.training.state import Keys
from jaxvae.vae import VAE, Params

BatchObjective = Callable[[Params, PRNGKey, np.ndarray], float]


class Best(NamedTuple):
    """The best validation so far, by the objective that is trained; larger is better."""

    step: int
    objective: float

    def or_better(self, step: int, objective: float) -> "Best":
        """Returns the better of two validations; the earlier of equal ones, and never one that is not a number."""
        return Best(step, objective) if objective > self.objective else self


def build_batch_objective(vae: VAE, config: Config, examples: int) -> BatchObjective:
    """Returns (params, key, images uint8 [n, h, w, c]) -> the mean objective, for one that compares images of a batch.

    Its weights are those of the last step: with weights that rise, validations could not be compared. Only whole
    batches are measured; what is left over at the end of the split is not.

    Args:
        vae: the model.
        config: objective, pixels and batch size.
        examples: size of the training set, which some objectives need.
    """
    objective, last = config.objective.build(examples), jnp.asarray(config.train.steps)

    @jax.jit
    def batch_mean(params: Params, key: PRNGKey, images: UInt8[Array, "b h w c"]) -> Float[Array, ""]:
        pixel_key, noise_key = jax.random.split(key)
        terms = objective.terms(vae, params, noise_key, to_float(pixel_key, images, config.data.pixels))
        return jnp.mean(objective.value(terms, last))

    def mean(params: Params, key: PRNGKey, images: np.ndarray) -> float:
        size = min(config.train.batch_size, len(images))
        batches = np.arange(len(images) // size * size).reshape(-1, size)
        values = [
            batch_mean(params, jax.random.fold_in(key, number), jnp.asarray(gather(images, rows)))
            for number, rows in enumerate(batches)
        ]
        return float(np.mean(jax.device_get(values), dtype=np.float64))

    return mean


def validate(
    measure: Measure,
    batch_objective: BatchObjective,
    params: Params,
    keys: Keys,
    prepared: Prepared,
    split: str,
    step: int,
    record: MetricLog,
) -> dict[str, float]:
    """Measures a whole split, with the same draws each time, and logs the means."""
    images = prepared.split(split).images
    measured = means(measure(params, keys.validation, images))
    if OBJECTIVE not in measured:
        measured[OBJECTIVE] = batch_objective(params, jax.random.clone(keys.validation), images)
    write(record, step, split, measured)
    numbers = "  ".join(f"{name} {value:.2f}" for name, value in measured.items() if name != "n")
    print_line(record, f"step {step}  {split}  {numbers}")
    return measured


def out_of_patience(config: Config, best: Best, step: int) -> bool:
    """Returns whether `train.patience` validations have passed since the best one, not counting the KL's warm-up.

    While the weight rises, the objective with its final weight says little about the model that it leads to.
    """
    waited = step - step % config.train.validate_every - max(best.step, config.objective.annealing_steps)
    return 0 < config.train.patience * config.train.validate_every <= waited
