"""What happens now and then in a run: metrics written down, a split measured, priors fitted, the decision to stop."""

from typing import NamedTuple

from jaxvae.config import Config
from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.per_example import Measure, means
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
    """Measures a whole split, with the same draws each time, and writes it down."""
    measured = means(measure(params, keys.validation, prepared.split(split).images))
    write(record, step, split, measured)
    numbers = "  ".join(f"{name} {value:.2f}" for name, value in measured.items() if name != "n")
    print_line(record, f"step {step}  {split}  {numbers}")
    return measured


def objective(measured: dict[str, float]) -> float:
    """What the best checkpoint is chosen by: the tightest bound, or log p(x|z) of an autoencoder, in nats."""
    names = ("iwae_nats", "elbo_nats", "log_likelihood_nats")
    return next(measured[name] for name in names if name in measured)


def out_of_patience(config: Config, best: Best, step: int) -> bool:
    """Whether as many validations as `train.patience` have passed since the best one, the KL's warm-up not counted.

    While the weight rises, the bound with β = 1 says little about the model that is coming.
    """
    warm = config.objective.warmup_steps * (2 * config.objective.warmup_cycles - 1)
    waited = step - step % config.train.validate_every - max(best.step, warm)
    return 0 < config.train.patience * config.train.validate_every <= waited
