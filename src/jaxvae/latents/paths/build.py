"""The paths by their names, for a trained model."""

from typing import Literal

from jax.tree_util import Partial

from jaxvae.latents.paths.interpolation import Path, linear, spherical
from jaxvae.vae import VAE, Params, Prior

PathName = Literal["linear", "spherical", "prior", "geodesic"]


def build_path(name: PathName, vae: VAE, params: Params, prior: Prior | None = None) -> Path:
    """The path of this name.

    Args:
        name: "linear", straight; "spherical", a great circle; "prior", through the quantiles of a prior; "geodesic",
            shortest in decoded pixels.
        vae: the model, of which the geodesic needs the decoder.
        params: its parameters.
        prior: whose quantiles; the model's own when left out.
    """
    match name:
        case "linear":
            return linear
        case "spherical":
            return spherical
        case "prior":
            # Here, since it imports SciPy, which takes a third of a second that the other paths do without.
            from jaxvae.latents.paths.through_prior import prior_path

            return prior_path(vae.prior(params) if prior is None else prior)
        case "geodesic":
            from jaxvae.latents.paths.geodesic import geodesic

            return geodesic(Partial(lambda params, z: vae.decode(params, z).mean, params))
