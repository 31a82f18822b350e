"""The likelihood p(x|z): what every kind is, and what it builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from jaxvae.config.kinds import Kind

if TYPE_CHECKING:
    import numpy as np
    from jax import Array
    from jaxtyping import Float

    from jaxvae.distributions import Distribution

START = -2.0  # Logarithm of the standard deviation, or scale, at the start of training.
# From a seventh of a grey level, where a logistic has all its mass in one bin, to a hundred times the pixel range.
LOG_SCALE_RANGE = (-7.5, 4.5)


class LikelihoodHead(NamedTuple):
    """The last step of a decoder, from its output to p(x|z).

    Attributes:
        outputs: numbers per pixel that the decoder must produce.
        params: initial values of the likelihood's own parameters, by name; as NumPy arrays they compile nothing.
        distribution: (params, output) -> p(x|z); the output is float32 [b, h, w, outputs], whatever the networks
            compute in.
    """

    outputs: int
    params: dict[str, Array | np.ndarray]
    distribution: Callable[[dict[str, Any], Float[Array, "b h w o"]], Distribution]


class StoredBits(NamedTuple):
    """How log p(x) relates to the stored pixel values.

    A density over dequantised pixels (v + u) / 2^depth gives a stored value its density times a volume of 2^-depth
    (Theis et al. 2016, section 3.1); a probability needs no such correction.

    Attributes:
        depth: bits of a stored value.
        volume: bits per value to add to -log2 p(x).
    """

    depth: int
    volume: int


@dataclass(frozen=True, kw_only=True)
class LikelihoodConfig(Kind, family="model.likelihood"):
    """Base of the likelihoods; a kind of your own overrides `build`.

    Attributes:
        pixels: values of `data.pixels` that the likelihood is a distribution over, the most suitable first.
        density: whether it is a density of real numbers rather than a probability.
    """

    pixels: ClassVar[tuple[str, ...]] = ("dequantized", "scaled")
    density: ClassVar[bool] = True

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        raise UnbuiltError(self)

    def stored_bits(self, pixels: str) -> StoredBits | None:
        """Returns what bits per dimension mean for `data.pixels`; None where log p(x) is a density of grey values."""
        return {"binarized": StoredBits(1, 0), "dequantized": StoredBits(8, 8)}.get(pixels)

    @property
    def predicts_scale(self) -> bool:
        """Whether the decoder predicts a scale for each pixel of a density, which can run into a bound."""
        return False


class UnbuiltError(TypeError):
    """A kind of the user's own that lacks its `build` method."""

    def __init__(self, kind: Kind) -> None:
        """Names the class."""
        super().__init__(f"{type(kind).__name__} has no `build` method; a {kind.family} must define one.")
