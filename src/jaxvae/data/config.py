"""The part of a config that says which images, and how they are prepared."""

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxvae.config.checks import Checked, require
from jaxvae.data.sources.kinds import Avatars, SourceConfig, source_named


@dataclass(frozen=True, kw_only=True)
class DataConfig(Checked):
    """Which images, and how they are brought to one shape.

    `DataConfig(name=..., raw=...)` is short for `source`; see `jaxvae.data.sources.kinds.source_named`.
    """

    prefix = "data."

    source: SourceConfig = field(default_factory=Avatars)
    """Where the images come from."""
    root: str = "data"
    """Folder of the prepared data sets."""
    crop: int | None = None
    """Side in pixels of the centred square to cut out first; None takes the largest that fits."""
    size: int | None = 64
    """Side in pixels to resize the square to; None keeps images as they are, and they must agree."""
    color: Literal["keep", "rgb", "grey"] = "keep"
    """Colours of the prepared images; `keep` is grey only where every image of the source is."""
    pixels: Literal["dequantized", "scaled", "binarized"] = "scaled"
    """What the model sees of a pixel v: (v + u) / 256 with u uniform, v / 255, or a coin that is 1 with v / 255."""
    flip: bool = False
    """Mirror half of the training images, drawn again at each step."""
    shift: int = 0
    """Move each training image by up to this many pixels to any side, drawn again at each step; helps where images are
    few."""
    walk_from: str | None = None
    """First endpoint of the interpolations: `test:NUMBER`, or an attribute query such as `sunglasses=0`."""
    walk_to: str | None = None
    """Second endpoint. By default the first two test images."""
    value_range: tuple[float, float] | None = None
    """Values that become black and white, for images of more than 8 bits and for arrays; None chooses by type and
    measured values, the same for the whole data set."""
    skip_share: float = 0.01
    """Largest share of unreadable files in a folder that is skipped with a warning rather than refused."""

    @classmethod
    def expand(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments with the short forms `name` and `raw` turned into a `source`."""
        if "name" not in values and "raw" not in values:
            return values
        rest = {name: value for name, value in values.items() if name not in ("name", "raw")}
        before = rest.get("source", Avatars())
        name = values.get("name", before.dataset_name() if isinstance(before, SourceConfig) else before)
        raw = values.get("raw")
        require(isinstance(name, str), "data.name", name, "a string")
        require(raw is None or isinstance(raw, str), "data.raw", raw, "a string")
        return rest | {"source": source_named(name, raw)}

    def check(self) -> None:
        """Refuses sizes below 1 and shares outside [0, 1]."""
        self.require_at_least(1, "crop", "size")
        self.require_at_least(0, "shift")
        self.require(self.size is None or self.shift < self.size, "shift", f"smaller than data.size, {self.size}")
        self.require(0 <= self.skip_share <= 1, "skip_share", "between 0 and 1")
        self.require(
            self.value_range is None or self.value_range[0] < self.value_range[1],
            "value_range",
            "a lower and a higher value",
        )
