"""How often an edit of several attributes succeeds at which degree, to be said where the edit is shown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxvae.data.prepared import Prepared, Split
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.attributes.change import Change, Request, changed
from jaxvae.latents.attributes.classifier import fit_to_splits
from jaxvae.latents.attributes.directions import LabelledCodes
from jaxvae.latents.attributes.edit_quality import predict_values
from jaxvae.latents.attributes.labels import column_and_value, labelled_split
from jaxvae.runs.run import Loaded

DEGREES = (1.0, 1.5, 2.0, 3.0, 4.0)
MOST = 300  # Held-out images to edit.
FEWEST = 20  # With fewer, a share says little.
GOOD = 0.8  # Share of the images from which an edit counts as reliable.


class Success(NamedTuple):
    """How often an attribute was added or removed.

    Attributes:
        change: what is done, `+sunglasses` or `-beard`.
        n: number of held-out images that were edited.
        took: share of them in which the classifier sees the change, by degree.
    """

    change: str
    n: int
    took: dict[float, float]


def edit_success(
    loaded: Loaded,
    learned: LabelledCodes,
    prepared: Prepared,
    requests: Sequence[Request],
    change: Change,
    degrees: Sequence[float] = DEGREES,
) -> list[Success]:
    """Applies a change to images of the test split that need a part of it, and counts where each took.

    The judge is a classifier of the edited attributes that was trained on real images.

    Args:
        loaded: the model.
        learned: the codes that it was learned from.
        prepared: the data set.
        requests: what `change` adds and removes.
        change: what it does to codes.
        degrees: strengths to try.

    Returns:
        One entry per request; those that fewer than 20 test images need are omitted.
    """
    targets = [(name, remove, *column_and_value(learned.labelled, name)) for name, remove in requests]
    held_out = labelled_split(prepared, "test", MOST)
    columns = sorted({column for _, _, column, _ in targets})
    train, test = (
        Split(part.images, np.asarray(part.attributes)[:, columns]) for part in map(prepared.split, ("train", "test"))
    )
    try:
        classifier = fit_to_splits([prepared.attributes[column] for column in columns], train, test)
    except UserError:
        return []
    vae, params, _ = loaded
    z = encode_means(vae, params, held_out.images)
    steps = change.steps(z)
    images = {degree: decode_to_images(vae, params, changed(z, steps, degree)) for degree in degrees}
    seen = {degree: predict_values(classifier, each) for degree, each in images.items()}
    results = []
    for name, remove, column, value in targets:
        attribute, labels = prepared.attributes[column], held_out.values[:, column]
        needs = labels == value if remove else (labels != value) & (labels >= 0)
        if attribute in classifier.values and needs.sum() >= FEWEST:
            took = {
                degree: float(np.mean((each[attribute][needs] == value) != remove)) for degree, each in seen.items()
            }
            results.append(Success(f"{'-' if remove else '+'}{name}", int(needs.sum()), took))
    return results


def advice(success: Success, degree: float) -> str | None:
    """Returns a sentence about an edit that fails too often at this degree; None if it is reliable."""
    share = success.took.get(degree)
    if share is None or share >= GOOD:
        return None
    sentence = f"{success.change} succeeded in only {share:.0%} of {success.n} test images at degree {degree:g}"
    enough = [other for other, its in success.took.items() if its >= GOOD and other > degree]
    if enough:
        return f"{sentence}; at degree {enough[0]:g} it succeeds in {success.took[enough[0]]:.0%}."
    best = max(success.took, key=lambda other: success.took[other])
    if success.took[best] > share:
        return f"{sentence}, and in {success.took[best]:.0%} at best, at degree {best:g}."
    return f"{sentence}, and not more often at any degree up to {max(success.took):g}."
