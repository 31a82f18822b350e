"""The part of a config that says which model."""

from dataclasses import dataclass
from typing import Literal

from jaxvae.config.checks import require, require_usable_numbers


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The networks, the latent space and the likelihood."""

    network: Literal["conv", "mlp"] = "conv"
    """Convolutions, or dense layers on the flattened picture."""
    latent: int = 64
    """Number of latent units; for a spatial code the number of its channels."""
    latent_kind: Literal["vector", "spatial"] = "vector"
    """One vector per picture, or (conv) a map of h x w x channels at the coarsest resolution."""
    channels: tuple[int, ...] = (32, 64, 128, 256)
    """conv: channels at each halving of the picture, finest first."""
    hidden: tuple[int, ...] = (400,)
    """mlp: units of the hidden layers of the encoder; the decoder mirrors them."""
    activation: Literal["relu", "tanh", "gated"] = "relu"
    """mlp: what follows each hidden layer; `gated` is h * sigmoid(g), with h and g from a layer each."""
    down: Literal["stride", "max_pool", "avg_pool"] = "stride"
    """conv: halve by a strided 4x4 convolution, or by a 3x3 convolution and pooling."""
    up: Literal["deconv", "unpool"] = "deconv"
    """conv: double by a transposed 4x4 convolution, or by repeating pixels (reverse pooling) and a 3x3 convolution."""
    log_variance_range: tuple[float, float] = (-12.0, 4.0)
    """Bounds, smoothly approached, of the logarithm of the variance of q(z|x)."""
    prior: Literal["standard_normal", "mixture", "vamp", "flow"] = "standard_normal"
    """p(z): N(0, I), or learned: Gaussians, the posteriors of pseudo-inputs (VampPrior), or a flow (RealNVP)."""
    prior_components: int = 100
    """mixture, vamp: how many Gaussians, or pseudo-inputs."""
    flow_pairs: int = 4
    """flow: pairs of affine couplings, each moving one half of the units and then the other."""
    flow_hidden: int = 128
    """flow: units of the hidden layers of each coupling."""
    likelihood: Literal[
        "normal", "laplace", "bernoulli", "continuous_bernoulli", "discretized_logistic", "discretized_logistic_mixture"
    ] = "normal"
    """p(x|z): what distribution the decoder describes for each pixel."""
    scale: Literal["shared", "per_pixel", "fixed"] = "shared"
    """normal, laplace: one learned scale for all pixels, one from the decoder for each, or `fixed_scale`."""
    fixed_scale: float = 0.1
    """normal: the standard deviation, laplace: the scale, in units of the pixel range [0, 1]."""
    logistics: int = 10
    """discretized_logistic_mixture: logistics per pixel."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the networks compute in; parameters, likelihood and KL stay float32."""

    def __post_init__(self) -> None:
        require_usable_numbers(self, "model.")
        for name in ("latent", "logistics", "prior_components", "flow_pairs", "flow_hidden"):
            require(getattr(self, name) >= 1, f"model.{name}", getattr(self, name), "at least 1")
        require(self.fixed_scale > 0, "model.fixed_scale", self.fixed_scale, "above 0")
        for name in ("channels", "hidden"):
            sizes = getattr(self, name)
            require(bool(sizes) and min(sizes) >= 1, f"model.{name}", sizes, "one or more sizes of at least 1")
        low, high = self.log_variance_range
        wanted = "the lower bound, then the upper one, at least 4 above it"
        require(high - low >= 4, "model.log_variance_range", self.log_variance_range, wanted)
        conv = self.network == "conv"
        if self.latent_kind == "spatial":
            require(conv, "model.network", self.network, "'conv' when model.latent_kind is 'spatial'")
        if conv:
            require(
                self.activation == "relu", "model.activation", self.activation, "'relu' when model.network is 'conv'"
            )
        if self.prior == "flow" and self.latent_kind == "vector":
            require(self.latent >= 2, "model.latent", self.latent, "at least 2 when model.prior is 'flow'")
