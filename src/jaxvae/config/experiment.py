"""The whole config of an experiment, of its parts."""

from dataclasses import dataclass, field

from jaxvae.config.checks import require
from jaxvae.config.data import DataConfig
from jaxvae.config.model import ModelConfig
from jaxvae.config.objective import ObjectiveConfig
from jaxvae.config.train import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """One experiment."""

    name: str = ""
    """Name of the experiment, after which its run folder is called; the data set's when left out."""
    seed: int = 0
    """Root of all randomness: initial parameters, noise, order of the data."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        # The seed also keys NumPy's Philox, which takes no negative numbers.
        require(0 <= self.seed < 2**32, "seed", self.seed, "between 0 and 2**32 - 1")
        prior = self.model.prior
        if self.objective.name == "mmd":
            size = self.train.batch_size
            require(size >= 2, "train.batch_size", size, "at least 2 for objective 'mmd', which compares codes")
        if self.objective.name == "beta_tcvae":
            require(prior == "standard_normal", "model.prior", prior, "'standard_normal' for objective 'beta_tcvae'")
        if self.objective.free_nats and self.objective.free_groups != "code":
            wanted = "'standard_normal' for free nats per unit or channel; objective.free_groups 'code' suits any prior"
            require(prior == "standard_normal", "model.prior", prior, wanted)
        likelihood = self.model.likelihood
        pixels = PIXELS.get(likelihood, ("dequantized", "scaled"))
        wanted = f"{' or '.join(map(repr, pixels))} when model.likelihood is {likelihood!r}"
        require(self.data.pixels in pixels, "data.pixels", self.data.pixels, wanted)


# What a likelihood is a distribution over: bits, the 256 stored values, or (all others) real numbers.
PIXELS = {
    "bernoulli": ("binarized", "scaled"),
    "discretized_logistic": ("scaled",),
    "discretized_logistic_mixture": ("scaled",),
}
