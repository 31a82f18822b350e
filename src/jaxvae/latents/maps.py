"""The latent space in two dimensions: codes of pictures laid out, or pictures of codes on a grid."""

import warnings
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import unflatten
from jaxvae.errors import UserError
from jaxvae.inference import code_rows, decoded
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.latents.units.names import unit_names
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape

Method = Literal["pca", "tsne", "umap"]


FEWEST = 3


class Layout(NamedTuple):
    """Points [n, 2], and what the two axes are; "" where they mean nothing."""

    points: Float[np.ndarray, "n 2"]
    axes: tuple[str, str]


def lay_out(rows: Float[np.ndarray, "n d"], method: Method, seed: int) -> Layout:
    """Codes as points in the plane.

    "pca": the two principal components of largest variance (Pearson 1901), a linear view that keeps distances as far
    as it can. "tsne" (van der Maaten & Hinton 2008) and "umap" (McInnes et al. 2018) keep neighbourhoods: distances
    between clusters, and their sizes, mean nothing.

    Raises `UserError` for fewer than three codes or two units, for codes that are all equal, and for "umap" where
    umap-learn is missing.
    """
    count, units = rows.shape
    if count < FEWEST or units < 2:
        raise UserError(
            f"there are {count} codes of {units} unit{'' if units == 1 else 's'}, but a map needs at least {FEWEST} "
            "codes of 2 units."
        )
    if not np.ptp(rows, axis=0).any():
        raise UserError(f"the codes of all {count} pictures are equal: the model says nothing with them.")
    match method:
        case "pca":
            from sklearn.decomposition import PCA

            pca = PCA(2, svd_solver="full").fit(rows)
            shares = np.nan_to_num(pca.explained_variance_ratio_)
            first, second = (
                f"principal component {i}, {100 * share:.0f} % of variance" for i, share in enumerate(shares, 1)
            )
            return Layout(pca.transform(rows), (first, second))
        case "tsne":
            from sklearn.manifold import TSNE
            from threadpoolctl import threadpool_limits

            model = TSNE(2, perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)
            # On one thread the result depends on the seed alone; and threads that wait for a busy core take many times
            # as long.
            with threadpool_limits(1, "openmp"):
                return Layout(model.fit_transform(rows), ("", ""))
        case "umap":
            # One thread: with a seed umap-learn has no use for more, and warns.
            umap = require_umap().UMAP(n_neighbors=min(15, count - 1), random_state=seed, n_jobs=1)
            return Layout(np.asarray(umap.fit_transform(rows)), ("", ""))


def require_umap() -> Any:
    """The package umap-learn; `UserError` that names the extra where it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It misses TensorFlow, for a part of it that is not used here.
            import umap
    except ImportError as error:
        raise UserError(
            f"the method 'umap' needs umap-learn, which cannot be imported ({error}); pip install 'jaxvae[umap]' "
            "brings it, and the methods 'pca' and 'tsne' need nothing."
        ) from error
    return umap


class Manifold(NamedTuple):
    """Pictures [q q h w c] at a grid of codes, and whose quantiles it is of.

    The first unit rises to the right and the second upwards, as in a plot: rows run from its highest value down.
    """

    pictures: UInt8[np.ndarray, "q q h w c"]
    description: str


def require_two_units(loaded: Loaded) -> None:
    """Raises `UserError` where a code has not exactly two units."""
    units = len(unit_names(code_shape(loaded.vae, loaded.params)))
    if units != 2:
        raise UserError(
            f"the manifold is a grid over codes of two units, but those of {loaded.info.run} have {units}; "
            "a vector, --model.latent 2, is such a code."
        )


def manifold(loaded: Loaded, images: np.ndarray | None, steps: int) -> Manifold:
    """Decodes a grid of codes of two units (Kingma & Welling 2014, figure 4).

    On either axis stand the quantiles of the prior's marginal at (i + ½) / steps; for an autoencoder, which has no
    prior, those of the codes of `images` uint8 [n, h, w, c], which others do not need.

    Raises `UserError` for codes of more or fewer units.
    """
    require_two_units(loaded)
    vae, params, info = loaded
    both = np.arange(2)
    if not info.config.objective.variational and images is not None:
        marginals = code_marginals(code_rows(vae, params, images), both)
    else:
        marginals = prior_marginals(jax.jit(vae.prior)(params), both)
    first, second = marginals.of.quantiles((np.arange(steps) + 0.5) / steps).T
    rows = np.stack(np.meshgrid(first, second[::-1]), axis=-1).reshape(-1, 2)
    pictures = decoded(vae, params, unflatten(jnp.asarray(rows, jnp.float32), code_shape(vae, params)))
    return Manifold(pictures.reshape(steps, steps, *pictures.shape[1:]), marginals.description)
