"""Priors fitted to the training codes after training: their kinds, and those that a run has.

The codes of a VAE fill N(0, I) only as far as the KL term made them: under a sharp likelihood they spread and
correlate, and most draws from N(0, I) fall between them, where the decoder was never trained. A density fitted
afterwards draws codes that the decoder knows and, used instead of p(z), gives a higher bound on log p(x).

References:
    Ghosh et al. 2020, "From variational to deterministic autoencoders", section 5.
    Dai & Wipf 2019, "Diagnosing and enhancing VAE models".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.annotations import Params
from jaxvae.codes import Code
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture
from jaxvae.priors.fit_flow import FEWEST_FLOW_CODES, is_flow, open_flow
from jaxvae.priors.fit_flow_matching import FEWEST_CODES, is_flow_matching, open_flow_matching, shape_of
from jaxvae.priors.fit_mixture import is_mixture
from jaxvae.priors.row_prior import RowPrior


class FittedKind(NamedTuple):
    """One kind of fitted prior.

    Attributes:
        flag: the field of the config that asks for it, above 0.
        needs: what else training needs, for people.
        fits: (arrays, like) -> whether the arrays are those of a density over codes with the shapes of `like`.
        rows: (arrays, like) -> the density over codes as rows.
    """

    flag: str
    needs: str
    fits: Callable[[Params, Code], bool]
    rows: Callable[[Params, Code], Any]


KINDS = {
    "fitted_mixture": FittedKind(
        "train.mixture-components",
        "at least two training images",
        lambda arrays, like: is_mixture(arrays, _units(like)),
        lambda arrays, like: FullCovarianceMixture(**arrays),
    ),
    "fitted_flow": FittedKind(
        "train.fitted-flow-steps",
        f"at least {FEWEST_FLOW_CODES} training images and codes of at least two units",
        lambda arrays, like: is_flow(arrays, _units(like)),
        lambda arrays, like: open_flow(arrays),
    ),
    "fitted_flow_matching": FittedKind(
        "train.flow-matching-steps",
        f"at least {FEWEST_CODES} training images",
        lambda arrays, like: is_flow_matching(arrays, shape_of(like)),
        lambda arrays, like: open_flow_matching(arrays, shape_of(like)),
    ),
}


class Fitted(NamedTuple):
    """The arrays of the fitted priors as a checkpoint keeps them; None for those that were not fitted."""

    fitted_mixture: Params | None = None
    fitted_flow: Params | None = None
    fitted_flow_matching: Params | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the priors that were fitted."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def trees(self) -> dict[str, Params]:
        """Arrays of the priors that were fitted, as named trees of a checkpoint."""
        return {kind: getattr(self, kind) for kind in self.kinds}

    def fits(self, kind: str, like: Code) -> bool:
        """Returns whether the arrays of this kind have the shapes of a density over codes with the shapes of `like`."""
        return KINDS[kind].fits(getattr(self, kind), like)

    def prior(self, kind: str, like: Code) -> RowPrior:
        """Returns the fitted prior of this kind, over codes with the shapes of `like` (of a hierarchy: its top)."""
        like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), like)
        return RowPrior(KINDS[kind].rows(getattr(self, kind), like), like)


def default_kind(learned: bool, fitted: Fitted) -> str:
    """Returns the name of the prior to sample from: the model's own if it is learned, or else the first fitted one."""
    return "model" if learned else next(iter(fitted.kinds), "model")


def _units(like: Code) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(like))
