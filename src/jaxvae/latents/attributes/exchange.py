"""Exchanges attributes of images with a conditional VAE: the same codes, decoded under other attributes."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxvae.data.pixels import scale
from jaxvae.data.sources.base import UNKNOWN
from jaxvae.errors import UserError
from jaxvae.inference import BATCH_SIZE, decode_to_images, encode_means
from jaxvae.keys import key_for
from jaxvae.latents.attributes.request import Request, is_request, of_model, require_told
from jaxvae.runs.run import Loaded
from jaxvae.told import tell, weights_of

GUESS_DRAWS = 64  # Of the bound under each value that an unknown attribute may have.

Images = UInt8[np.ndarray, "n h w c"]
Labels = Int[np.ndarray, "n a"]


def exchange(
    loaded: Loaded,
    images: Images,
    labels: Labels,
    request: Request,
    known: Int[np.ndarray, "m a"],
    degrees: Float[np.ndarray, " s"],
) -> UInt8[np.ndarray, "s n h w c"]:
    """Returns images decoded with their own attributes at degree 0, with those requested at degree 1, and between.

    The encoder is told the images' own attributes, so that the codes need not say them. A requested attribute of
    unknown value is told as the one under which the image is likeliest. An own attribute that no image shows together
    with a requested one (glasses with sunglasses) is unknown at degree 1.

    Args:
        loaded: a run of a conditional model.
        images: the images.
        labels: their attributes in the data set, `UNKNOWN` for those that are not known.
        request: the attributes to change, as `parse_request` returns it.
        known: attributes of training images, which say what goes together; there may be none.
        degrees: how far to go.

    Raises:
        UserError: the model is not conditional, nothing is requested, or something that the model does not know.
    """
    if not loaded.vae.attributes:
        raise UserError(
            f"{loaded.info.run} is not conditional; train a model with --model.attributes, or use attribute add."
        )
    require_told(loaded, request)
    if not is_request(request):
        raise UserError("nothing is requested; name an attribute that the image should show, or should not.")
    (wanted,), values = of_model(loaded, request[None]), loaded.vae.attribute_values
    own = np.stack([_guess(loaded, *each, wanted) for each in zip(images, of_model(loaded, labels), strict=True)])
    before, after = own, _requested(own, wanted, of_model(loaded, known))
    parts = [
        _between(loaded, images[part], weights_of(before[part], values), weights_of(after[part], values), degrees)
        for part in _batches(len(images))
    ]
    return np.concatenate(parts, axis=1)


def _between(loaded: Loaded, images: Images, before: jax.Array, after: jax.Array, degrees: np.ndarray) -> np.ndarray:
    codes = encode_means(loaded.vae, tell(loaded.params, before), images)
    return np.stack(
        [
            decode_to_images(loaded.vae, tell(loaded.params, before + jnp.float32(each) * (after - before)), codes)
            for each in degrees
        ]
    )


def _requested(own: Labels, wanted: Int[np.ndarray, " a"], known: Int[np.ndarray, "m a"]) -> Labels:
    """Returns the labels with those requested; own ones that were never seen together with them become unknown."""
    labels = np.array(own)
    for column in np.flatnonzero(wanted != UNKNOWN) if len(known) else []:
        together = known[known[:, column] == wanted[column]]
        for other in range(own.shape[1]):
            labels[~np.isin(own[:, other], together[:, other]), other] = UNKNOWN
    return np.where(wanted[None] == UNKNOWN, labels, wanted[None])


def _guess(
    loaded: Loaded, image: UInt8[np.ndarray, "h w c"], labels: Int[np.ndarray, " a"], wanted: Int[np.ndarray, " a"]
) -> Int[np.ndarray, " a"]:
    """Returns the labels with each unknown one that is requested set to its likeliest value, one after the other."""
    vae, guessed = loaded.vae, np.array(labels)
    for column in np.flatnonzero((labels == UNKNOWN) & (wanted != UNKNOWN)):
        candidates = np.tile(guessed, (vae.attribute_values, 1))
        candidates[:, column] = np.arange(vae.attribute_values)
        told = tell(loaded.params, weights_of(candidates, vae.attribute_values))
        copies = scale(np.repeat(image[None], vae.attribute_values, axis=0))
        drawn = vae.infer(told, key_for("guess", 0), copies, GUESS_DRAWS)
        bounds = jax.scipy.special.logsumexp(drawn.log_weights, axis=0)
        guessed[column] = int(jnp.argmax(bounds))
    return guessed


def _batches(count: int) -> Iterator[slice]:
    # As large as the parts that codes are decoded in, so that each part is told its own labels.
    yield from (slice(start, start + BATCH_SIZE) for start in range(0, count, BATCH_SIZE))
