"""What happens now and then in a run: metrics written down, a split measured, priors fitted, the decision to stop."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxvae.config import Config, TrainConfig
from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.split import DrawCodes, Measure, means
from jaxvae.latents.fitted import Fitted, fit
from jaxvae.training.record import Record, progress, say, write
from jaxvae.training.state import Keys
from jaxvae.training.step import Metrics
from jaxvae.training.trouble import Trouble, blamed
from jaxvae.vae import Params

Pending = list[tuple[int, Metrics]]  # The last step of each stretch, and the metrics [s] of its steps.


class Best(NamedTuple):
    """The best validation so far."""

    step: int
    objective: float


def log(
    record: Record, fetched: Pending, config: Config, layers: Sequence[str], images_per_second: float
) -> Trouble | None:
    """Writes the metrics of finished steps and names those that were skipped; returns why the run must stop, if so."""
    for last, stacked in fetched:
        metrics = {name: values for name, values in stacked.items() if name != "watch"}
        rows = zip(itertools.count(last + 1 - len(metrics["loss"])), *stacked["watch"], *metrics.values())
        for step, made, in_a_row, layer_norms, *numbers in rows:
            values = dict(zip(metrics, map(float, numbers), strict=True))
            if not made:
                trouble = Trouble(step, int(in_a_row), blamed(values, layers, layer_norms))
                if in_a_row >= config.train.most_not_finite:
                    return trouble
                say(record, f"step {step} skipped: {trouble.what}")
            if step % config.train.log_every == 0 or step == config.train.steps:
                values["images_per_second"] = round(images_per_second, 1)
                write(record, step, "train", values)
                progress(record, step, config.train.steps, config.train.batch_size, values)
    return None


def validate(
    measure: Measure, params: Params, keys: Keys, prepared: Prepared, split: str, step: int, record: Record
) -> dict[str, float]:
    """Measures a whole split, with the same draws each time, and writes it down."""
    measured = means(measure(params, keys.validation, prepared.split(split).images))
    write(record, step, split, measured)
    numbers = "  ".join(f"{name} {value:.2f}" for name, value in measured.items() if name != "n")
    say(record, f"step {step}  {split}  {numbers}")
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


def fitted(
    draw_codes: DrawCodes, params: Params, keys: Keys, settings: TrainConfig, config: Config, images: np.ndarray
) -> Fitted:
    """The priors fitted to codes of the pictures, where the settings ask for any."""
    if not (settings.mixture_components or settings.fitted_flow_steps):
        return Fitted()
    return fit(draw_codes(params, keys.codes, images), settings, config.seed)
