"""Encodes images to posteriors, together with their names and attributes."""

import logging
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.codes import Code, CodeStatistics
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import data_set, select
from jaxvae.distributions.base import log_variances
from jaxvae.errors import UserError
from jaxvae.inference import BATCH_SIZE, code_statistics, posterior_batches
from jaxvae.runs.run import Loaded
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

FILES_PER_BATCH = 4096  # Image files read into memory at a time.


class Encoded(NamedTuple):
    """The posteriors of n images: pytrees of NumPy arrays [n, ...].

    Attributes:
        names: Where each image comes from (`test:12`, or a path).
        mean: Posterior means.
        standard_deviation: Posterior standard deviations; None for an autoencoder, which has none.
        attributes: int16 [n, a], the attributes from a prepared dataset.
        attribute_names: Their names.
        classes: Names of the values of those attributes whose values have names.
        statistics: Used to standardise mean and standard_deviation; None if they are unscaled.
    """

    names: tuple[str, ...]
    mean: Code
    standard_deviation: Code | None
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()
    classes: dict[str, list[str]] = {}  # noqa: RUF012
    statistics: CodeStatistics | None = None


def encode_split(loaded: Loaded, prepared: Prepared, split: str, levels: int | None = None) -> Encoded:
    """Encodes all images of a split, with their attributes; `levels` keeps as many of the coarsest of a hierarchy."""
    vae, params, _ = loaded
    images, attributes = prepared.split(split)
    batches = posterior_batches(vae, params, images)
    batches = progress(batches, -(-len(images) // BATCH_SIZE), f"encoding {split}", "batches")
    parts = [_moments(loaded, each, levels) for each in batches]
    names = tuple(f"{split}:{index}" for index in range(len(images)))
    table = np.asarray(attributes) if prepared.attributes else None
    return _encoded(names, parts)._replace(
        attributes=table, attribute_names=prepared.attributes, classes=dict(prepared.info["classes"])
    )


def encode_images(
    loaded: Loaded,
    which: Sequence[str],
    data: dict[str, Any],
    optional: Collection[str] = (),
    levels: int | None = None,
) -> Encoded:
    """Encodes images, resized to the model's input shape.

    Args:
        loaded: The model.
        which: The images (see `select`).
        data: The description of the prepared dataset stored in a checkpoint.
        optional: Those that are skipped with a warning if they cannot be read.
        levels: Keeps as many of the coarsest levels of a hierarchy; None for all.

    Raises:
        UserError: If another image cannot be read, or none at all.
    """
    vae, params, _ = loaded
    names, unreadable, parts = [], [], []
    for start in range(0, len(which), FILES_PER_BATCH):
        images = []
        batch = which[start : start + FILES_PER_BATCH]
        for name in progress(batch, len(batch), "reading images"):
            try:
                images.append(select(name, data))
                names.append(name)
            except UserError as error:
                if name not in optional:
                    raise
                unreadable.append(str(error))
        if images:
            batches = posterior_batches(vae, params, np.stack(images))
            parts += [_moments(loaded, each, levels) for each in batches]
    if unreadable:
        logger.warning("skipped %d of %d images, the first because %s", len(unreadable), len(which), unreadable[0])
    if not names:
        raise UserError(f"none of the {len(which)} images can be read; the first because {unreadable[0]}")
    return _encoded(tuple(names), parts)


def standardize_codes(encoded: Encoded, statistics: CodeStatistics) -> Encoded:
    """Standardises codes per unit by the mean and standard deviation of the training codes."""
    deviation = encoded.standard_deviation
    return encoded._replace(
        mean=statistics.standardize(encoded.mean),
        standard_deviation=None if deviation is None else statistics.rescale_deviations(deviation),
        statistics=statistics,
    )


def training_statistics(loaded: Loaded, data: dict[str, Any]) -> CodeStatistics:
    """Returns the statistics of the training codes from the checkpoint, or else computes them from the training images.

    Raises:
        UserError: If the checkpoint has none and the training images are not available.
    """
    vae, params, info = loaded
    if info.code_statistics is not None:
        return info.code_statistics
    try:
        images = data_set(data).split("train").images
    except UserError as error:
        raise UserError(
            f"{info.run} has no statistics of its training codes, and they cannot be recomputed: {error}"
        ) from error
    return code_statistics(vae, params, images)


def _moments(loaded: Loaded, posterior: Any, levels: int | None) -> tuple[Code, Code | None]:
    """Returns mean and standard deviation of the posteriors of a batch; None for the latter where there is none."""
    spread = log_variances(posterior) if loaded.info.config.objective.variational else None
    parts = (posterior.mean, jax.tree.map(lambda each: np.exp(0.5 * np.asarray(each)), spread))
    return parts if levels is None else (parts[0][:levels], None if parts[1] is None else parts[1][:levels])


def _encoded(names: tuple[str, ...], parts: list[tuple[Code, Code | None]]) -> Encoded:
    return Encoded(names, *jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts))
