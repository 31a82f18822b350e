"""Builds paths by name for a trained model."""

from typing import Literal, get_args

from jax.tree_util import Partial

from jaxvae.errors import UserError, suggest
from jaxvae.latents.paths.interpolation import Path, linear, spherical
from jaxvae.vae import VAE, Params, Prior

PathName = Literal["linear", "spherical", "prior", "geodesic"]


def build_path(name: str, vae: VAE, params: Params, prior: Prior | None = None) -> Path:
    """Builds the path with this name.

    Args:
        name: "linear", a straight line; "spherical", a great circle; "prior", through the quantiles of a prior;
            "geodesic", shortest in decoded pixels.
        vae: The model; the geodesic needs its decoder.
        params: Its parameters.
        prior: The prior for "prior"; the model's own if None.

    Raises:
        UserError: There is no such path, or none through this prior.
    """
    match name:
        case "linear":
            return linear
        case "spherical":
            return spherical
        case "prior":
            # Imported here because it imports SciPy, which takes a third of a second.
            from jaxvae.latents.paths.through_prior import prior_path
            from jaxvae.latents.paths.transports import NoTransportError

            try:
                return prior_path(vae.prior(params) if prior is None else prior)
            except NoTransportError as error:
                raise UserError(f"there is no path through this prior: {error} Choose another path.") from error
        case "geodesic":
            from jaxvae.latents.paths.geodesic import geodesic

            return geodesic(Partial(lambda params, z: vae.decode(params, z).mean, params))
    raise UserError(f"there is no path {name!r}: {suggest(name, get_args(PathName))}")
