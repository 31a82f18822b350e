"""Transport between each family of priors and N(0, I)."""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.codes import flatten
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.levels import Levels
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.keys import key_shape
from jaxvae.latents.paths import rosenblatt
from jaxvae.priors.flow import Flow
from jaxvae.priors.flow_matching import FlowMatching
from jaxvae.priors.row_prior import RowPrior

Rows = Float[np.ndarray, "n d"]


class Transport(NamedTuple):
    """Maps of float64 rows: `to_normal` from codes of the prior to N(0, I), `from_normal` back.

    Within a subspace of rank r the former returns r more columns.
    """

    to_normal: Callable[[Rows], Rows]
    from_normal: Callable[[Rows], Rows]


class NoTransportError(TypeError):
    """No transport is registered for a family of priors."""


@singledispatch
def transport(prior: object) -> Transport:
    """Returns the transport of a prior, over its codes as rows of `jaxvae.codes.flatten`.

    Register transports of new families with `transport.register`.

    Raises:
        NoTransportError: If the prior's family has no transport.
    """
    raise NoTransportError(f"no transport to N(0, I) is registered for {type(prior).__name__}.")


def has_transport(prior: object) -> bool:
    """Returns whether a transport is registered for the prior's family; of levels, for that of each."""
    try:
        transport(prior)
    except NoTransportError:
        return False
    return True


@transport.register
def _(prior: Normal) -> Transport:
    mean, spread = _double(prior.mean).ravel(), np.exp(0.5 * _double(prior.log_variance).ravel())
    return Transport(lambda rows: (rows - mean) / spread, lambda u: mean + spread * u)


@transport.register
def _(prior: GaussianMixture) -> Transport:
    count = len(prior.logits)
    scales = np.exp(0.5 * _double(prior.log_variances).reshape(count, -1))
    log_weights = _double(jax.nn.log_softmax(prior.logits))
    return _by_quantiles(rosenblatt.Triangular(log_weights, _double(prior.means).reshape(count, -1), scales, None))


@transport.register
def _(prior: Flow) -> Transport:
    return _by_flow(prior)


@transport.register
def _(prior: FlowMatching) -> Transport:
    return _by_flow(prior)


def _by_flow(prior: Flow | FlowMatching) -> Transport:
    # Passed as arguments because parameters compiled in as constants compile slowly.
    to_normal, from_normal = (jax.jit(each) for each in (type(prior).to_normal, type(prior).from_normal))
    return Transport(
        lambda rows: _double(to_normal(prior, jnp.asarray(rows, jnp.float32))),
        lambda u: _double(from_normal(prior, jnp.asarray(u, jnp.float32))),
    )


@transport.register
def _(prior: FullCovarianceMixture) -> Transport:
    weights, means, factors = (_double(each) for each in (prior.weights, prior.means, prior.factors))
    units, rank = factors.shape[1:]
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    if rank == units:
        return _by_quantiles(_triangular(log_weights, means, factors))
    # All factors span one subspace: quantiles inside it, and the component outside is kept unchanged.
    center, basis = weights @ means, np.linalg.qr(factors[0])[0]
    covariances = [basis.T @ factor @ factor.T @ basis for factor in factors]
    within = _by_quantiles(_triangular(log_weights, (means - center) @ basis, np.linalg.cholesky(covariances)))

    def to_normal(rows: Rows) -> Float[np.ndarray, "n all"]:
        inside = (rows - center) @ basis
        return np.concatenate([within.to_normal(inside), rows - center - inside @ basis.T], axis=1)

    def from_normal(u: Float[np.ndarray, "n all"]) -> Rows:
        return center + within.from_normal(u[:, :rank]) @ basis.T + u[:, rank:]

    return Transport(to_normal, from_normal)


@transport.register
def _(prior: PrecisionMixture) -> Transport:
    return transport(prior.with_factors)


@transport.register
def _(prior: RowPrior) -> Transport:
    return transport(prior.rows)


@transport.register
def _(prior: Levels) -> Transport:
    # The levels are independent in the coordinates of the codes, so the rows are mapped part by part.
    parts = [transport(part) for part in prior.parts]
    ends = np.cumsum([jax.eval_shape(lambda key, part=part: flatten(part.sample(key), 0), key_shape()).size
                      for part in prior.parts])[:-1]  # fmt: skip

    def mapped(name: str) -> Callable[[Rows], Rows]:
        def whole(rows: Rows) -> Rows:
            return np.concatenate(
                [getattr(part, name)(each) for part, each in zip(parts, np.split(rows, ends, axis=1), strict=True)],
                axis=1,
            )

        return whole

    return Transport(mapped("to_normal"), mapped("from_normal"))


def _triangular(log_weights: np.ndarray, means: Rows, factors: np.ndarray) -> rosenblatt.Triangular:
    return rosenblatt.Triangular(log_weights, means, np.diagonal(factors, axis1=1, axis2=2), factors)


def _by_quantiles(mixture: rosenblatt.Triangular) -> Transport:
    return Transport(partial(rosenblatt.to_normal, mixture), partial(rosenblatt.from_normal, mixture))


def _double(array: Any) -> np.ndarray:
    return np.asarray(array, np.float64)
