"""The VampPrior: the mean of the posteriors of learned pseudo-inputs (Tomczak & Welling 2018, equation 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxvae.priors.base import LearnedPrior, PriorConfig

if TYPE_CHECKING:
    import numpy as np
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Params, PRNGKey
    from jaxvae.distributions import GaussianMixture

DARKEST = 0.02  # A pseudo-input that started at exactly 0 or 1 would have no gradient.


@dataclass(frozen=True, kw_only=True)
class VampPrior(PriorConfig):
    """The mean of the posteriors of learned pseudo-inputs, which start as training images."""

    kind = "vamp"

    components: int = 100
    """Number of pseudo-inputs."""

    def check(self) -> None:
        """Refuses a prior without pseudo-inputs."""
        self.require_at_least(1, "components")

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior for images of this shape."""
        import jax
        import jax.numpy as jnp
        import numpy as np

        from jaxvae.distributions.gaussian_mixture import GaussianMixture

        def init(key: PRNGKey) -> Params:
            return {"pseudo_inputs": jax.random.normal(key, (self.components, *image_shape))}

        def distribution(params: Params, encode: Callable[[Array], Any]) -> GaussianMixture:
            posteriors = encode(jax.nn.sigmoid(params["pseudo_inputs"]))
            return GaussianMixture(jnp.zeros(self.components), posteriors.mean, posteriors.log_variance)

        def start(params: Params, images: Float[np.ndarray, "m h w c"]) -> Params:
            chosen = np.clip(images, DARKEST, 1.0 - DARKEST)
            return {"pseudo_inputs": jnp.asarray(np.log(chosen / (1.0 - chosen)), jnp.float32)}

        return LearnedPrior(init, distribution, self.components, start)
