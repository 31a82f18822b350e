"""Where the codes of the training pictures lie, unit by unit: what codes are standardised with."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.codes import flatten, unflatten
from jaxvae.latents.pictures import code_shape
from jaxvae.latents.posteriors import posterior_batches
from jaxvae.vae import VAE, Code, Params

TREE = "code_statistics"  # Its name among the trees of a checkpoint.


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of the posterior means over pictures; each a pytree of the shape of one code.

    `statistics._asdict()` is the tree that a checkpoint keeps, `CodeStatistics(**tree)` the way back.
    """

    mean: Code
    standard_deviation: Code

    def standardized(self, code: Code) -> Code:
        """Codes [n, ...] with mean 0 and variance 1 over those pictures."""
        return jax.tree.map(lambda z, m, s: (z - m[None]) / _divisor(s)[None], code, *self)

    def restored(self, code: Code) -> Code:
        """What `standardized` took away put back."""
        return jax.tree.map(lambda z, m, s: z * _divisor(s)[None] + m[None], code, *self)

    def spreads(self, standard_deviation: Code) -> Code:
        """Standard deviations [n, ...] of posteriors in the units of standardised codes."""
        return jax.tree.map(lambda sigma, s: sigma / _divisor(s)[None], standard_deviation, self.standard_deviation)


def code_statistics(vae: VAE, params: Params, images: np.ndarray) -> CodeStatistics:
    """The statistics of pictures uint8 [n, h, w, c], of which none but a batch is held; float32.

    The standard deviation divides by n.
    """
    # Here, since it takes a second to import.
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for posterior in posterior_batches(vae, params, images):
        scaler.partial_fit(np.asarray(flatten(posterior.mean), np.float64))
    like = code_shape(vae, params)
    rows = (jnp.asarray(each, jnp.float32) for each in (scaler.mean_, np.sqrt(scaler.var_)))
    return CodeStatistics(*(unflatten(each, like) for each in rows))


def _divisor(deviation: Any) -> Any:
    # A unit that never moved has nothing to be measured by, and stays 0.
    return np.where(np.asarray(deviation) > 0, deviation, 1.0).astype(np.float32)
