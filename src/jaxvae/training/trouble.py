"""Steps that were skipped: what was wrong with them, and which pictures they were of."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxvae.config import Config
from jaxvae.data.batches import batch_indices
from jaxvae.whole_file import whole_file

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
