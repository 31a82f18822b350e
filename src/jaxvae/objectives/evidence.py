"""The ELBO as objective, with β, free bits or a target capacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.objectives.base import AnnealedObjective, Objective

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Step
    from jaxvae.models import ModelConfig
    from jaxvae.vae import Inference


@dataclass(frozen=True, kw_only=True)
class ELBO(AnnealedObjective):
    """The evidence lower bound (Kingma & Welling 2014), or its β-VAE variants (Higgins et al. 2017)."""

    free_nats: float = 0.0
    """Batch-mean KL per group of units that is not penalised, in nats (free bits)."""
    free_groups: Literal["unit", "channel", "level", "code"] = "unit"
    """What a group is: each latent unit, each channel of a spatial code, each level of a hierarchy, or the whole
    code."""
    capacity_nats: float | None = None
    """Target of the mean KL in nats; beta then weights the distance from it."""
    capacity_steps: int = 0
    """Steps over which the target rises linearly from 0."""
    balance_levels: bool = False
    """During the warm-up, weight the KL of each level of a hierarchy in proportion to its KL per unit, so that levels
    with little to say are penalised least."""
    coarse_first_steps: int = 0
    """Steps over which the finer levels of a hierarchy are penalised more, so that the coarse ones learn first."""
    coarse_first_factor: float = 5.0
    """By how much the weight grows from one level to the next finer one at step 0."""

    def check(self) -> None:
        """Refuses free bits together with a capacity, and fields that would be silently ignored."""
        super().check()
        self.require_at_least(0, "free_nats", "capacity_nats", "capacity_steps")
        self.require(
            self.capacity_nats is None or self.free_nats == 0, "free_nats", "0 when objective.capacity_nats is given"
        )
        self.require(
            self.free_nats > 0 or self.free_groups == "unit", "free_groups", "'unit' unless objective.free_nats is set"
        )
        self.require(
            self.capacity_nats is not None or self.capacity_steps == 0,
            "capacity_steps",
            "0 unless objective.capacity_nats is set",
        )
        self.require_at_least(0, "coarse_first_steps")
        self.require(self.coarse_first_factor > 1, "coarse_first_factor", "above 1")
        self.require(
            self.coarse_first_steps == 0
            or (self.free_nats == 0 and self.capacity_nats is None and not self.balance_levels),
            "coarse_first_steps",
            "0 with free nats, a capacity or balanced levels",
        )
        self.require(
            not self.balance_levels or (self.warmup_steps > 0 and self.free_nats == 0 and self.capacity_nats is None),
            "balance_levels",
            "False unless objective.warmup_steps is set, and with free nats or a capacity",
        )

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Refuses what needs levels of a model that has one, and free bits of units whose KL has no closed form."""
        self.require(
            model.hierarchical or not self.coarse_first_steps,
            "coarse_first_steps",
            f"0, since model {model.kind!r} has one level",
        )
        if self.balance_levels:
            self.require(model.hierarchical, "balance_levels", f"False, since model {model.kind!r} has one level")
        if self.free_nats and self.free_groups == "level":
            self.require(model.hierarchical, "free_groups", f"another group, since model {model.kind!r} has one level")
        elif self.free_nats and self.free_groups != "code":
            self._require_closed_form(model)

    def _require_closed_form(self, model: ModelConfig) -> None:
        from jaxvae.config.checks import require

        wanted = "'standard_normal' for free nats per unit or channel; objective.free_groups 'code' suits any prior"
        require(model.prior.closed_form, "model.prior", model.prior.kind, wanted)

    @property
    def per_example(self) -> bool:
        """False with free bits, a capacity or balanced levels, which look at the mean over a batch."""
        return not self.free_nats and self.capacity_nats is None and not self.balance_levels

    @property
    def annealing_steps(self) -> int:
        """Steps until the last rise ends, and all levels have the same weight."""
        return max(super().annealing_steps, self.coarse_first_steps)

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        import jax.numpy as jnp

        from jaxvae.objectives.bounds import bound_metrics, elbo, variational_terms
        from jaxvae.objectives.free_bits import capacity_value, free_value
        from jaxvae.objectives.level_weights import balanced_value, coarse_first_weights, weighted_value
        from jaxvae.objectives.schedules import capacity_at

        def value(terms: Inference, step: Step) -> Float[Array, " b"]:
            beta = self.weight(step)
            if self.free_nats:
                return free_value(terms, beta, self.free_nats, self.free_groups)
            if self.capacity_nats is not None:
                return capacity_value(terms, beta, capacity_at(self.capacity_nats, self.capacity_steps, step))
            if self.balance_levels:
                return jnp.where(beta < self.beta, balanced_value(terms, beta), elbo(terms, beta))
            if self.coarse_first_steps:
                levels = len(terms.kl_levels or ())
                weights = coarse_first_weights(levels, self.coarse_first_factor, self.coarse_first_steps, step)
                return weighted_value(terms, beta, weights)
            return elbo(terms, beta)

        return Objective(variational_terms, value, bound_metrics, self.weight)

    def collapse_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns free bits, or a longer warm-up where there is a capacity."""
        if self.capacity_nats is not None:
            return super().collapse_remedy(model, steps, learning_rate)
        amount = "0.1" if model.prior.closed_form else "5 --objective.free-groups code"
        return f"--objective.free-nats {amount}{self._equal_weights}"

    def idle_level_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns free bits for each level during a warm-up, or a longer warm-up where there is a capacity."""
        if self.capacity_nats is not None:
            return super().idle_level_remedy(model, steps, learning_rate)
        warmup = f"--objective.warmup-steps {max(1, steps // 4)}"
        return f"--objective.free-nats 1 --objective.free-groups level {warmup}{self._equal_weights}"

    @property
    def _equal_weights(self) -> str:
        """Flags that weight all levels alike, as free nats demand."""
        balanced = " --objective.no-balance-levels" if self.balance_levels else ""
        return balanced + (" --objective.coarse-first-steps 0" if self.coarse_first_steps else "")

    def prior_remedy(self, model: ModelConfig) -> str:
        """Returns a learned prior where the model has none yet, otherwise a larger weight."""
        if not model.prior.closed_form or (self.free_nats and self.free_groups != "code"):
            return super().prior_remedy(model)
        return "--model.prior vamp"
