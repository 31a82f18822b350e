"""Test images to choose from, page by page, filtered by their attributes, and coloured by one on the map."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, suggest
from jaxvae.explorer.requests import GalleryRequest
from jaxvae.latents.attributes.labels import attribute_values

PAGE_IMAGES = 24
MAX_CHOICES = 50  # An attribute with more values than this is not offered as a filter.
MAX_COLORS = 10  # The most that the page's palette tells apart.


class Page(NamedTuple):
    """Indices of the test images of one page, the number of all that match, and that of their pages."""

    indices: list[int]
    total: int
    pages: int


class Coloring(NamedTuple):
    """The group of each point; -1 if it is in none. `labels` names the groups and `counts` how many each has."""

    groups: list[int]
    labels: list[str]
    counts: list[int]


def attribute_choices(prepared: Prepared) -> dict[str, dict[str, int]]:
    """Returns the values of each attribute that occur in the test split, by their names for people.

    Attributes of more than MAX_CHOICES values are omitted, and so are unknown values.
    """
    choices = {}
    for name in prepared.attributes:
        values, classes = attribute_values(prepared, "test", name)
        present = np.unique(values[values >= 0]).tolist()
        if 0 < len(present) <= MAX_CHOICES:
            named = {(classes[value] if value < len(classes) else str(value)): value for value in present}
            # Of what an image has or has not, those that have it come first.
            choices[name] = named if classes or present != [0, 1] else dict(reversed(named.items()))
    return choices


def find_images(prepared: Prepared, request: GalleryRequest) -> Page:
    """Returns a page of the test images that match.

    Raises:
        UserError: For an unknown attribute or value, or a page that does not exist.
    """
    choices = attribute_choices(prepared)
    matches = np.ones(prepared.info["splits"]["test"]["n"], bool)
    for name, label in request.where:
        if name not in choices:
            raise UserError(f"{prepared.info['name']} has no attribute {name!r}: {suggest(name, choices)}")
        if label not in choices[name]:
            raise UserError(f"{name} has no value {label!r}: {suggest(label, choices[name])}")
        matches &= attribute_values(prepared, "test", name)[0] == choices[name][label]
    indices = np.flatnonzero(matches)
    pages = max(1, -(-len(indices) // PAGE_IMAGES))
    if request.page >= pages:
        raise UserError(f"page is {request.page}, but there are only {pages} pages, from 0 on.")
    start = request.page * PAGE_IMAGES
    return Page(indices[start : start + PAGE_IMAGES].tolist(), len(indices), pages)


def color_by(prepared: Prepared, indices: Int[np.ndarray, " n"], attribute: str) -> Coloring:
    """Groups test images by an attribute; beyond MAX_COLORS values the rarest are in no group.

    Raises:
        UserError: If the attribute is unknown.
    """
    values, classes = attribute_values(prepared, "test", attribute)
    values = values[indices]
    present, counts = np.unique(values[values >= 0], return_counts=True)
    common = np.sort(np.argsort(-counts, kind="stable")[:MAX_COLORS])
    labels = [classes[value] if value < len(classes) else str(value) for value in present[common].tolist()]
    groups = np.full(len(values), -1)
    for group, value in enumerate(present[common]):
        groups[values == value] = group
    return Coloring(groups.tolist(), labels, counts[common].tolist())
