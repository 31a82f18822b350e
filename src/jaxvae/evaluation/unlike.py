"""Whether given image files are like the images that a model was trained on."""

import logging
import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from jaxvae.data.pixels import scale
from jaxvae.data.select import data_set
from jaxvae.errors import UserError
from jaxvae.inference import reconstruct
from jaxvae.runs.run import Loaded

COMPARED = 256  # Test images.

logger = logging.getLogger("jaxvae")


def warn_of_unlike_images(loaded: Loaded, names: Sequence[str], images: UInt8[np.ndarray, "n h w c"]) -> None:
    """Logs a warning for each image file that the model reconstructs worse than every test image compared.

    Of such an image the code says little: what is decoded from it resembles the training images, not the file.

    Args:
        loaded: the model.
        names: what the images are called; only paths of files are looked at, not images of the data set.
        images: the images.
    """
    files = [index for index, name in enumerate(names) if os.path.isfile(name)]
    if not files:
        return
    try:
        known = np.asarray(data_set(loaded.info.data).split("test").images[:COMPARED])
    except UserError:
        return  # The data set is no longer there.
    worst = float(np.min(_psnr(loaded, known)))
    for index, value in zip(files, _psnr(loaded, images[files]), strict=True):
        if value < worst:
            logger.warning(
                "%s is unlike what this model was trained on: it reconstructs with a PSNR of %.1f dB, where the worst "
                "of %d test images has %.1f dB.",
                names[index], value, len(known), worst,
            )  # fmt: skip


def _psnr(loaded: Loaded, images: np.ndarray) -> np.ndarray:
    from jaxvae.evaluation.per_example import psnr  # Here, because most walks are between images of the data set.

    reconstructions = reconstruct(loaded.vae, loaded.params, images)
    return np.asarray(psnr(scale(images), scale(reconstructions)))
