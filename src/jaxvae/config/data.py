"""The part of a config that says which pictures."""

from dataclasses import dataclass
from typing import Literal

from jaxvae.config.checks import require, require_usable_numbers


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they are brought to one shape."""

    name: str = "avatars"
    """`avatars`, any TFDS image set by its name, `folder` (with `raw`), or the path of a folder, .npz or .npy."""
    raw: str | None = None
    """Folder of hand-downloaded files for a TFDS set, or the folder of images for `folder`."""
    root: str = "data"
    """Where prepared data sets are kept."""
    crop: int | None = None
    """Side in pixels of the centred square that is cut out first; without it the largest one that fits."""
    size: int | None = 64
    """Side in pixels that the square is resized to; without it pictures stay as they are and must agree."""
    color: Literal["keep", "rgb", "grey"] = "keep"
    """Colours of the prepared pictures; `keep` is grey only where every picture of the source is."""
    pixels: Literal["dequantized", "scaled", "binarized"] = "scaled"
    """What the model sees of a pixel: (v + u) / 256 with u uniform, v / 255, or a coin that falls 1 with v / 255."""
    flip: bool = False
    """Mirror half of the training pictures, drawn anew at each step."""
    walk_from: str | None = None
    """Where the walks through latent space begin: `test:NUMBER`, or a wish such as `sunglasses=0`."""
    walk_to: str | None = None
    """Where they end. Without these two, at the first two test pictures."""
    skip_share: float = 0.01
    """Largest share of unreadable files that a folder may hold before that is an error."""

    def __post_init__(self) -> None:
        require_usable_numbers(self, "data.")
        require(bool(self.name), "data.name", self.name, "the name of a data set")
        require(self.crop is None or self.crop >= 1, "data.crop", self.crop, "at least 1")
        require(self.size is None or self.size >= 1, "data.size", self.size, "at least 1")
        require(0 <= self.skip_share <= 1, "data.skip_share", self.skip_share, "between 0 and 1")
