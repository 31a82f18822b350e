"""Datasets: images from any source, converted to one prepared format."""

from jaxvae.data.prepare import prepare
from jaxvae.data.prepared import Prepared, Split, open_prepared

__all__ = ["Prepared", "Split", "open_prepared", "prepare"]
