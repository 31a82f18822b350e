"""The part of a config that says what training makes large."""

from dataclasses import dataclass, fields
from typing import Literal

from jaxvae.config.checks import require, require_usable_numbers


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What training makes large."""

    name: Literal["elbo", "iwae", "beta_tcvae", "mmd", "autoencoder"] = "elbo"
    """The evidence lower bound, the importance-weighted one, log p(x|z) less a multiple of the total correlation or of
    the maximum mean discrepancy, or log p(x|z) at the posterior mean alone."""
    beta: float = 1.0
    """elbo, mmd: weight of the KL term in training, 1 for the bound itself; beta_tcvae: of the total correlation."""
    warmup_steps: int = 0
    """elbo, mmd, beta_tcvae: steps over which the weight rises linearly from 0 to beta."""
    warmup_cycles: int = 1
    """Times that the weight rises so, each but the last followed by as many steps at beta and a fall to 0."""
    free_nats: float = 0.0
    """elbo: KL of each group of units, in the mean over the batch, that costs nothing (free bits)."""
    free_groups: Literal["unit", "channel", "code"] = "unit"
    """elbo: what is a group: each latent unit, each channel of a spatial code, or the whole code."""
    capacity_nats: float | None = None
    """elbo: the KL that is aimed at: beta then weighs the distance of the mean KL from it."""
    capacity_steps: int = 0
    """elbo: steps over which that aim rises linearly from 0."""
    samples: int = 5
    """iwae: importance samples per picture."""
    doubly_reparameterized: bool = False
    """iwae: the gradient of Tucker et al. 2019, whose signal does not fade as samples grow."""
    mmd_weight: float = 1000.0
    """mmd: weight of the squared maximum mean discrepancy between codes and prior; with beta 0 the WAE-MMD."""

    def __post_init__(self) -> None:
        require_usable_numbers(self, "objective.")
        for name in ("beta", "warmup_steps", "free_nats", "capacity_steps", "mmd_weight"):
            require(getattr(self, name) >= 0, f"objective.{name}", getattr(self, name), "at least 0")
        for name in ("samples", "warmup_cycles"):
            require(getattr(self, name) >= 1, f"objective.{name}", getattr(self, name), "at least 1")
        capacity = self.capacity_nats
        require(capacity is None or capacity >= 0, "objective.capacity_nats", capacity, "at least 0, or None")
        free = capacity is None or self.free_nats == 0
        require(free, "objective.free_nats", self.free_nats, "0 when objective.capacity_nats is given")
        default = {each.name: each.default for each in fields(self)}
        for name, usual in default.items():
            value, needed = getattr(self, name), NEEDS.get(name, "name")
            used = name in ("name", *USED[self.name])
            wanted = f"left out when objective.name is {self.name!r}, which does not use it"
            require(used or value == usual, f"objective.{name}", value, wanted)
            heard = name not in NEEDS or getattr(self, needed) != default[needed]
            require(heard or value == usual, f"objective.{name}", value, f"left out unless objective.{needed} is set")


# The fields that do nothing without another.
NEEDS = {"free_groups": "free_nats", "capacity_steps": "capacity_nats", "warmup_cycles": "warmup_steps"}


WEIGHT = ("beta", "warmup_steps", "warmup_cycles")


# The fields that each objective reads; others set beside it would go unheard.
USED = {
    "elbo": (*WEIGHT, "free_nats", "free_groups", "capacity_nats", "capacity_steps"),
    "iwae": ("samples", "doubly_reparameterized"),
    "beta_tcvae": WEIGHT,
    "mmd": (*WEIGHT, "mmd_weight"),
    "autoencoder": (),
}
