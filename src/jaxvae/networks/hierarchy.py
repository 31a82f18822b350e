"""The networks of a hierarchy of codes, as pure functions.

A code has several levels, the coarsest first. The networks give each level a prior N(μ, σ²) that depends on the levels
above. Codes are in units of that prior, u = (z − μ) / σ, so that under the prior every level is N(0, I), whatever is
above it: a level can be redrawn, carried to another image or set to its mean, 0, without touching the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey

Code = tuple[Float[ArrayLike, "b ..."], ...]


class Pass(NamedTuple):
    """One way down the hierarchy, guided by an image.

    Attributes:
        codes: u of each level, a tuple of [b, ...].
        means: of q(u|x) of each level given the codes above it, likewise.
        log_variances: likewise.
        output: the decoder's output [b, h, w, o] at these codes.
    """

    codes: Code
    means: tuple[Array, ...]
    log_variances: tuple[Array, ...]
    output: Float[Array, "b h w o"]


class HierarchyNetworks(NamedTuple):
    """The networks of a hierarchy; a network of your own for `hierarchical_vae` gives these.

    q of the coarsest level must depend on the image alone.

    Attributes:
        init: key -> params.
        look: (params, x [b, h, w, c]) -> features of the images, which the other functions take; leaves are [b, ...].
        draw: (params, features, noise) -> the way down with codes drawn: mean + standard deviation * noise, where
            `noise` is a tuple of [b, ...], one for each level.
        follow: (params, features, codes) -> the way down at given codes.
        generate: (params, codes) -> the decoder's output [b, h, w, o]; levels that are missing at the end of the tuple
            are at their prior mean, 0.
        shapes: the shape of one code at each level.
        levels: the name of each level.
    """

    init: Callable[[PRNGKey], Params]
    look: Callable[[Params, Float[ArrayLike, "b h w c"]], Any]
    draw: Callable[[Params, Any, Code], Pass]
    follow: Callable[[Params, Any, Code], Pass]
    generate: Callable[[Params, Code], Float[Array, "b h w o"]]
    shapes: tuple[tuple[int, ...], ...]
    levels: tuple[str, ...]
