"""Names that annotations use throughout: keys, arrays of JAX or NumPy, scalars."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jax import Array
from jaxtyping import Float, Int, Key

ArrayLike: TypeAlias = Array | np.ndarray
PRNGKey: TypeAlias = Key[Array, ""]  # A typed key, as of `jax.random.key`.
PRNGKeys: TypeAlias = Key[Array, " b"]  # One key per example, as of `jax.random.split`.
AnyKey: TypeAlias = PRNGKey | PRNGKeys  # One key for everything, or one per example.
Scalar: TypeAlias = float | Float[Array, ""]  # A number, of Python or computed under jit.
Step: TypeAlias = int | Int[ArrayLike, ""]  # A number of updates.
Tree: TypeAlias = Any  # A pytree of arrays.
Params: TypeAlias = dict[str, Any]  # Parameters: nested dicts of arrays.

if TYPE_CHECKING:
    Parameter: TypeAlias = Array
else:
    # The posteriors of a whole split are NumPy arrays. They support all that is done with parameters, so a static
    # checker need not tell them apart.
    Parameter = ArrayLike
