r"""What the measures against unstable training of a hierarchy are worth, by leaving out one at a time.

    python experiments/studies/stability.py experiments/fashion_mnist_top_down.py --raw /folder/of/the/four/files

Each variant is trained for a few hundred steps from the same seed, the first quarter of them with a smaller weight of
the KL, and measured on the validation images. The parts that are fields of the config are changed there. Those that
are fixed in `networks/top_down.py` are replaced for the run.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from unittest import mock

import numpy as np
import tyro

from jaxvae import ELBO, Config, UserError, fit, prepare_dataset
from jaxvae.cli import read_experiment, run_command
from jaxvae.data.prepared import Prepared
from jaxvae.networks import top_down

Change = Callable[[Config], Config]


def train(**settings: Any) -> Change:
    """Returns the change of these fields of the training."""
    return lambda config: replace(config, train=replace(config.train, **settings))


def objective(**settings: Any) -> Change:
    """Returns the change of these fields of the bound."""

    def change(config: Config) -> Config:
        bound = config.objective
        return replace(config, objective=replace(bound if isinstance(bound, ELBO) else ELBO(), **settings))

    return change


VARIANTS: dict[str, Change] = {
    "as it stands": lambda config: config,
    "AdamW": train(optimizer="adamw"),
    "AdamW at a quarter of the rate": lambda config: train(
        optimizer="adamw", learning_rate=config.train.learning_rate / 4
    )(config),
    "without the average of the parameters": train(ema_decay=0.0),
    "without skipping": train(spike_factor=None),
    "without clipping": train(clip_norm=None),
    "without warm-up of the KL": objective(warmup_steps=0),
    "with balanced levels": objective(balance_levels=True),
    "with a free nat per level": objective(free_nats=1.0, free_groups="level"),
    "priors not started at zero": lambda config: config,
    "branches not scaled": lambda config: config,
    "exponential scales": lambda config: config,
}


@contextmanager
def network_of(variant: str) -> Iterator[None]:
    """Replaces a part of the top-down network for this variant."""
    bottleneck, residual, dense = top_down.Bottleneck, top_down.Residual, top_down.Dense
    with ExitStack() as stack:

        def put(name: str, new: Any) -> None:
            stack.enter_context(mock.patch.object(top_down, name, new))

        if variant == "priors not started at zero":
            put(
                "Bottleneck",
                lambda middle, channels, dtype, scale=1.0: bottleneck(middle, channels, dtype, scale or 1.0),
            )
        if variant == "branches not scaled":
            put("Residual", lambda middle, dtype, scale: residual(middle, dtype, 1.0))
            put("Dense", lambda channels, dtype, scale=1.0: dense(channels, dtype, 1.0 if scale else 0.0))
        if variant == "exponential scales":
            put("log_scale", lambda raw: raw)
        yield


class MeasuredError(Exception):
    """Ends a run once its validation is known, since nothing that follows is needed here."""


def measure(config: Config, data: Prepared, variant: str) -> str:
    """Trains a variant and returns its row of the table."""
    norms: list[float] = []
    skipped: list[float] = []
    last: dict[str, float] = {}

    def watch(step: int, kind: str, metrics: dict[str, float]) -> None:
        if kind == "train":
            norms.append(metrics["gradient_norm"])
            skipped.append(metrics["skipped_steps"])
        if kind == "validation":
            last.update(metrics)
            raise MeasuredError

    try:
        with TemporaryDirectory() as folder, network_of(variant), suppress(MeasuredError):
            fit(VARIANTS[variant](config), data, run=Path(folder) / "run", callback=watch)
    except UserError as error:
        return f"| {variant} | ended: {error} | | | |"
    coarse = [f"{value:.1f}" for name, value in last.items() if name.startswith("kl_nats/")]
    ratio = np.max(norms) / np.median(norms)
    return f"| {variant} | {last['elbo_nats']:.1f} | {' / '.join(coarse)} | {ratio:.1f} | {skipped[-1]:.0f} |"


def stability(
    experiment: Annotated[Path, tyro.conf.Positional],
    raw: str | None = None,
    root: str = "data",
    steps: int = 1000,
    only: tuple[str, ...] = (),
) -> None:
    """Prints a table: the validation bound, KL of each level, spikes of the gradient, and updates skipped.

    Args:
        experiment: The experiment file of a top-down model.
        raw: Folder of the downloaded files.
        root: Where prepared data is kept.
        steps: Length of each run.
        only: Variants to run; all by default.
    """
    config = read_experiment(experiment)
    data = prepare_dataset(config.data, root=root, raw=raw)
    schedule = {"steps": steps, "validate_every": steps, "picture_every": steps, "log_every": 10}
    config = objective(warmup_steps=steps // 4)(train(**schedule)(config))
    print("| variant | ELBO, nats | KL of each level, nats | largest over median gradient norm | skipped |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for variant in only or VARIANTS:
        print(measure(config, data, variant), flush=True)


if __name__ == "__main__":
    run_command(stability, "stability", program="python experiments/studies/stability.py")
