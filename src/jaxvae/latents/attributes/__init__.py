"""Image attributes: labels, latent directions, edits, and how well the edits work."""

from jaxvae.latents.attributes.directions import Direction, LabelledCodes, attribute_directions, direction
from jaxvae.latents.attributes.edits import Edit, edit
from jaxvae.latents.attributes.labels import Labelled, direction_names, examples, labelled_split

__all__ = [
    "Direction",
    "Edit",
    "Labelled",
    "LabelledCodes",
    "attribute_directions",
    "direction",
    "direction_names",
    "edit",
    "examples",
    "labelled_split",
]
