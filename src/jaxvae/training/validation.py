"""Validation and early stopping."""

from typing import NamedTuple

from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.per_example import Measure, means
from jaxvae.experiment import Config
from jaxvae.training.metric_log import MetricLog, print_line, write
from jaxvae.training.state import Keys
from jaxvae.vae import Params


class Best(NamedTuple):
    """The best validation so far."""

    step: int
    objective: float


def validate(
    measure: Measure, params: Params, keys: Keys, prepared: Prepared, split: str, step: int, record: MetricLog
) -> dict[str, float]:
    """Measures a whole split, with the same draws each time, and logs the means."""
    measured = means(measure(params, keys.validation, prepared.split(split).images))
    write(record, step, split, measured)
    numbers = "  ".join(f"{name} {value:.2f}" for name, value in measured.items() if name != "n")
    print_line(record, f"step {step}  {split}  {numbers}")
    return measured


def out_of_patience(config: Config, best: Best, step: int) -> bool:
    """Returns whether `train.patience` validations have passed since the best one, not counting the KL's warm-up.

    While the weight rises, the bound with β = 1 says little about the final model.
    """
    waited = step - step % config.train.validate_every - max(best.step, config.objective.annealing_steps)
    return 0 < config.train.patience * config.train.validate_every <= waited
