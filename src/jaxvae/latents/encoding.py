"""Pictures to codes, with what is known of each picture."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.codes import Code, CodeStatistics
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import data_set, select
from jaxvae.errors import UserError
from jaxvae.inference import COMPILED_BATCH, code_statistics, posterior_batches, posteriors
from jaxvae.runs.run import Loaded
from jaxvae.system.progress import progress

AT_ONCE = 4096  # Image files whose pictures are held together.


class Encoded(NamedTuple):
    """The posteriors of n pictures: pytrees of NumPy arrays [n, ...].

    `names` says how each picture is found again (`test:12`, or a path). `standard_deviation` is None for an
    autoencoder, which has none. `attributes` int16 [n, a] are those of a prepared data set, under `attribute_names`;
    `classes` names their values where they have names. `statistics` are those that mean and standard deviation were
    standardised with, None where they are the model's own.
    """

    names: tuple[str, ...]
    mean: Code
    standard_deviation: Code | None
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()
    classes: dict[str, list[str]] = {}  # noqa: RUF012
    statistics: CodeStatistics | None = None


def encode_split(loaded: Loaded, prepared: Prepared, split: str) -> Encoded:
    """The posteriors of all pictures of a split, with their attributes."""
    vae, params, _ = loaded
    images, attributes = prepared.split(split)
    batches = posterior_batches(vae, params, images)
    parts = list(progress(batches, -(-len(images) // COMPILED_BATCH), f"encoding {split}", "batches"))
    names = tuple(f"{split}:{index}" for index in range(len(images)))
    table = np.asarray(attributes) if prepared.attributes else None
    return _encoded(loaded, names, parts)._replace(
        attributes=table, attribute_names=prepared.attributes, classes=dict(prepared.info["classes"])
    )


def encode_pictures(loaded: Loaded, which: Sequence[str], data: dict[str, Any]) -> Encoded:
    """The posteriors of the pictures that `which` names, as `select` understands it, brought to the model's shape."""
    vae, params, _ = loaded
    parts = []
    for start in range(0, len(which), AT_ONCE):
        some = which[start : start + AT_ONCE]
        images = np.stack([select(each, data) for each in progress(some, len(some), "reading the pictures")])
        parts.append(posteriors(vae, params, images))
    return _encoded(loaded, tuple(which), parts)


def standardized(encoded: Encoded, statistics: CodeStatistics) -> Encoded:
    """The same codes, less the mean and over the standard deviation of the training codes, unit by unit."""
    deviation = encoded.standard_deviation
    return encoded._replace(
        mean=statistics.standardized(encoded.mean),
        standard_deviation=None if deviation is None else statistics.spreads(deviation),
        statistics=statistics,
    )


def statistics_of(loaded: Loaded, data: dict[str, Any]) -> CodeStatistics:
    """Those of the training codes: from the checkpoint, or else from the training pictures where they still are."""
    vae, params, info = loaded
    if info.code_statistics is not None:
        return info.code_statistics
    try:
        images = data_set(data).split("train").images
    except UserError as error:
        raise UserError(
            f"{info.run} keeps no statistics of its training codes, and they cannot be taken anew: {error}"
        ) from error
    return code_statistics(vae, params, images)


def _encoded(loaded: Loaded, names: tuple[str, ...], parts: list[Any]) -> Encoded:
    posterior = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    if not loaded.info.config.objective.variational:
        return Encoded(names, posterior.mean, None)
    return Encoded(names, posterior.mean, jax.tree.map(lambda each: np.exp(0.5 * each), posterior.log_variance))
