"""Feature distances between images and reconstructions, as a term of an objective."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.config.user_code import describe_error, import_file
from jaxvae.errors import UserError, suggest
from jaxvae.perceptual.squeezenet import squeeze_distance
from jaxvae.perceptual.weights import load_squeezenet

# (x, y) -> a distance per example [b] that gradients go through; images [b, h, w, c] in [0, 1], y a little beyond it.
ImageDistance = Callable[[Float[ArrayLike, "b h w c"], Float[ArrayLike, "b h w c"]], Float[Array, " b"]]


@cache
def build_distance(name: str) -> ImageDistance:
    """Returns `squeeze_distance` with its trained parameters for "squeeze", else the function of a user's own file.

    Args:
        name: squeeze, or FILE.py:FUNCTION; the file is executed as Python code.

    Raises:
        UserError: jaxvae[perceptual] is not installed, the file or the function is missing, or it cannot be read.
    """
    if name == "squeeze":
        return partial(squeeze_distance, load_squeezenet())
    return _user_distance(name)


def _user_distance(name: str) -> ImageDistance:
    file, _, function = name.rpartition(":")
    defined = vars(import_file(Path(file), "file of the perceptual distance"))
    distance = defined.get(function)
    if not callable(distance):
        functions = [key for key, value in defined.items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{file} does not define a function {function!r}; {suggest(function, functions)}")

    def checked(x: Float[ArrayLike, "b h w c"], y: Float[ArrayLike, "b h w c"]) -> Float[Array, " b"]:
        try:
            result: Any = distance(x, y)
        except Exception as error:  # Whatever the user's code raises is about the user's code.
            raise UserError(f"{name} cannot be computed: {describe_error(error)}.") from error
        if not isinstance(result, Array) or result.shape != (len(x),):
            what = f"shape {result.shape}" if isinstance(result, Array) else f"a {type(result).__name__}"
            raise UserError(
                f"{name} returned {what} for {len(x)} images; expected a JAX array of shape ({len(x)},), one distance "
                "per image."
            )
        return result

    return checked
