"""Image attributes: labels, changes along directions or by transport, and how well they work."""

from jaxvae.latents.attributes.change import Change, build_change, changed
from jaxvae.latents.attributes.correction import Correction
from jaxvae.latents.attributes.directions import Direction, LabelledCodes, attribute_directions, direction
from jaxvae.latents.attributes.edits import Edit, edit
from jaxvae.latents.attributes.labels import Labelled, direction_names, examples, labelled_split
from jaxvae.latents.attributes.transport import Transport

__all__ = [
    "Change",
    "Correction",
    "Direction",
    "Edit",
    "Labelled",
    "LabelledCodes",
    "Transport",
    "attribute_directions",
    "build_change",
    "changed",
    "direction",
    "direction_names",
    "edit",
    "examples",
    "labelled_split",
]
