"""Names that annotations use throughout: keys, arrays of JAX or NumPy, scalars."""

from typing import Any, TypeAlias

import numpy as np
from jax import Array
from jaxtyping import Float, Key

ArrayLike: TypeAlias = Array | np.ndarray
PRNGKey: TypeAlias = Key[Array, ""]  # A typed key, as of `jax.random.key`.
PRNGKeys: TypeAlias = Key[Array, " b"]  # One key per example, as of `jax.random.split`.
Scalar: TypeAlias = float | Float[Array, ""]  # A number, of Python or computed under jit.
Params: TypeAlias = dict[str, Any]  # Parameters: nested dicts of arrays.
