"""Two-dimensional views of the latent space: codes as points, or a grid of decoded codes."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import unflatten
from jaxvae.errors import UserError
from jaxvae.inference import code_rows, decode_to_images
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape

Method = Literal["pca", "tsne", "umap"]

MIN_CODES = 3


class Layout(NamedTuple):
    """Points [n, 2] and labels of the two axes; "" if an axis has no meaning."""

    points: Float[np.ndarray, "n 2"]
    axes: tuple[str, str]


def lay_out(rows: Float[np.ndarray, "n d"], method: Method, seed: int) -> Layout:
    """Projects codes to points in the plane.

    "pca": the two leading principal components (Pearson 1901), the linear view that best preserves distances. "tsne"
    (van der Maaten & Hinton 2008) and "umap" (McInnes et al. 2018) preserve neighbourhoods; distances between clusters,
    and cluster sizes, mean nothing.

    Args:
        rows: The codes, one per row.
        method: One of the above.
        seed: Seed of t-SNE and UMAP.

    Raises:
        UserError: If there are fewer than three codes or two units, if all codes are equal, or if umap-learn is missing
            for "umap".
    """
    count, units = rows.shape
    if count < MIN_CODES or units < 2:
        raise UserError(
            f"a map needs at least {MIN_CODES} codes of 2 units; got {count} codes of {units} "
            f"unit{'' if units == 1 else 's'}."
        )
    if not np.ptp(rows, axis=0).any():
        raise UserError(f"the codes of all {count} images are equal: they carry no information (posterior collapse).")
    match method:
        case "pca":
            pca = _fit_pca(rows)
            shares = np.nan_to_num(pca.explained_variance_ratio_)
            first, second = (
                f"principal component {i}, {100 * share:.0f} % of variance" for i, share in enumerate(shares, 1)
            )
            return Layout(pca.transform(rows), (first, second))
        case "tsne":
            from sklearn.manifold import TSNE
            from threadpoolctl import threadpool_limits

            model = TSNE(2, perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)
            # With one thread the result depends only on the seed; threads that wait for a busy core are also many times
            # slower.
            with threadpool_limits(1, "openmp"):
                return Layout(model.fit_transform(rows), ("", ""))
        case "umap":
            # One thread: umap-learn is single-threaded when seeded, and warns otherwise.
            umap = import_umap().UMAP(n_neighbors=min(15, count - 1), random_state=seed, n_jobs=1)
            return Layout(np.asarray(umap.fit_transform(rows)), ("", ""))


def principal_axes(rows: Float[np.ndarray, "n d"]) -> Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m 2"]]:
    """Returns the projection of `lay_out` with "pca" as a function of codes, to add others to the map of `rows`."""
    project: Callable[[np.ndarray], np.ndarray] = _fit_pca(rows).transform
    return project


def _fit_pca(rows: Float[np.ndarray, "n d"]) -> Any:
    from sklearn.decomposition import PCA

    return PCA(2, svd_solver="full").fit(rows)


def import_umap() -> Any:
    """Imports umap-learn; raises UserError naming the extra if it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns that TensorFlow is missing, which only an unused part needs.
            import umap
    except ImportError as error:
        raise UserError(
            f"method 'umap' needs umap-learn, which cannot be imported ({error}); pip install 'jaxvae[umap]', "
            "or use 'pca' or 'tsne'."
        ) from error
    return umap


class Manifold(NamedTuple):
    """Decoded images [q q h w c] on a grid of codes, and a description of the distribution whose quantiles span it.

    The first unit increases to the right and the second upwards, as in a plot, so the first row has its highest value.
    """

    images: UInt8[np.ndarray, "q q h w c"]
    description: str


def require_two_units(loaded: Loaded) -> None:
    """Raises UserError unless codes have exactly two units."""
    units = loaded.vae.units(loaded.params)
    if units != 2:
        raise UserError(
            f"the manifold needs codes of two units, but those of {loaded.info.run} have {units}; "
            "train a model with --model.latent 2."
        )


def manifold(loaded: Loaded, images: np.ndarray | None, steps: int) -> Manifold:
    """Decodes a grid of codes of two units (Kingma & Welling 2014, figure 4).

    Each axis has the quantiles of the prior's marginal at (i + ½) / steps.

    Args:
        loaded: The model.
        images: uint8 [n, h, w, c]; used only for an autoencoder, which has no prior: the quantiles are then those of
            the codes of these images.
        steps: Codes per side of the grid.

    Raises:
        UserError: Unless codes have exactly two units.
    """
    require_two_units(loaded)
    vae, params, info = loaded
    both = np.arange(2)
    if not info.config.objective.variational and images is not None:
        marginals = code_marginals(code_rows(vae, params, images), both)
    else:
        marginals = prior_marginals(jax.jit(vae.prior)(params), both)
    first, second = marginals.distribution.quantiles((np.arange(steps) + 0.5) / steps).T
    rows = np.stack(np.meshgrid(first, second[::-1]), axis=-1).reshape(-1, 2)
    decoded = decode_to_images(vae, params, unflatten(jnp.asarray(rows, jnp.float32), code_shape(vae, params)))
    return Manifold(decoded.reshape(steps, steps, *decoded.shape[1:]), marginals.description)
