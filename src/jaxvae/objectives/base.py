"""The objective, what training maximises: what every kind is, and what it builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from jaxvae.config.kinds import Kind

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import AnyKey, ArrayLike, Step
    from jaxvae.models import ModelConfig
    from jaxvae.vae import VAE, Code, Params


class Terms(Protocol):
    """What an objective computes per example; beyond these two, its fields are its own business.

    Arrays are [b, ...], so that a batch can be computed in parts.
    """

    @property
    def z(self) -> Code:
        """The codes that were decoded."""

    @property
    def posterior(self) -> Any:
        """q(z|x) of each image."""


class Critic(NamedTuple):
    """A network that an objective trains next to the model and listens to, such as a discriminator.

    Both learn in the same step, each from a number of its own: what the model hears is `value`, whose gradient does not
    reach the critic; the critic minimises `loss`, whose gradient does not reach the model. The step sees to both.
    Evaluation knows no critic.

    Attributes:
        init: (key, (h, w, c)) -> its parameters, a pytree.
        memory: numbers that it carries from step to step without gradients, at the start: a pytree; () for none.
        optimizer: what moves its parameters.
        opinion: (its parameters, terms, x) -> what it says of each image and its reconstruction, arrays [b, ...].
        value: (opinion, terms, step) -> [b], which is added to the value of the objective.
        loss: (opinion, memory, step) -> [b], whose mean the critic minimises.
        learns: step -> whether the critic is updated in this step.
        remember: (memory, opinion, step) -> the memory after a step in which it learns.
        metrics: (opinion, memory, step) -> named numbers [b] or [], which are logged.
    """

    init: Callable[[Any, tuple[int, int, int]], Any]
    memory: Any
    optimizer: Any
    opinion: Callable[[Any, Any, Float[ArrayLike, "b h w c"]], Any]
    value: Callable[[Any, Any, Step], Float[Array, " b"]]
    loss: Callable[[Any, Any, Step], Float[Array, " b"]]
    learns: Callable[[Step], Any]
    remember: Callable[[Any, Any, Step], Any]
    metrics: Callable[[Any, Any, Step], dict[str, Any]]


class Objective(NamedTuple):
    """An objective as functions. Training and evaluation share them.

    Attributes:
        terms: (vae, params, key, x) -> terms, per example.
        value: (terms, step) -> [b], whose mean training maximises.
        metrics: terms -> named numbers [b] in nats, which are logged.
        weight: step -> the weight of the KL, or of whatever else is annealed.
        critic: a network that is trained next to the model; None for none.
    """

    terms: Callable[[VAE, Params, AnyKey, Float[ArrayLike, "b h w c"]], Terms]
    value: Callable[[Any, Step], Float[Array, " b"]]
    metrics: Callable[[Any], dict[str, Float[Array, " b"]]]
    weight: Callable[[Step], Float[Array, ""]]
    critic: Critic | None = None


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(Kind, family="objective"):
    """Base of the objectives; a kind of your own overrides `build`.

    Attributes:
        variational: whether the model it trains has a meaningful posterior and prior. Without, codes are the means.
    """

    variational: ClassVar[bool] = True

    def build(self, examples: int) -> Objective:
        """Returns the objective for a training set of this many images."""
        raise TypeError(f"{type(self).__name__} has no `build` method; an objective must define one.")

    @property
    def per_example(self) -> bool:
        """Whether the value of a batch is the mean of its examples', each computed by itself."""
        return True

    @property
    def annealing_steps(self) -> int:
        """Steps after which the weight no longer changes."""
        return 0

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Raises `UserError` where the model or the batch size does not suit the objective."""

    def check_files(self) -> None:
        """Raises `UserError` where a file that training needs is missing; called before it, never by opening a run."""

    def check_images(self, shape: tuple[int, int, int]) -> None:
        """Raises `UserError` where images [h, w, c] do not suit the objective; called before training, as above."""

    def collapse_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns a command-line flag to try when codes carry no information."""
        return f"--train.learning-rate {learning_rate / 3:.2g}"

    def idle_level_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns command-line flags to try when a level of a hierarchy carries no information."""
        return self.collapse_remedy(model, steps, learning_rate)

    def won_remedy(self, learning_rate: float) -> str:
        """Returns a command-line flag to try when a discriminator is right about nearly everything."""
        return f"--train.learning-rate {2 * learning_rate:.2g}"

    def asleep_remedy(self, learning_rate: float) -> str:
        """Returns a command-line flag to try when a discriminator tells nothing apart."""
        return f"--train.learning-rate {learning_rate / 2:.2g}"

    def prior_remedy(self, model: ModelConfig) -> str:
        """Returns a command-line flag to try when codes and prior do not match."""
        return "--model.prior " + ("flow" if model.prior.kind == "vamp" else "vamp")


@dataclass(frozen=True, kw_only=True)
class AnnealedObjective(ObjectiveConfig, abstract=True):
    """An objective whose weight rises from 0."""

    beta: float = 1.0
    """Weight of the KL term in training; 1 is the bound itself (beta_tcvae: weight of the total correlation)."""
    warmup_steps: int = 0
    """Steps over which the weight rises linearly from 0 to beta."""
    warmup_cycles: int = 1
    """Number of rises; all but the last are followed by as many steps at beta and a fall back to 0."""

    def check(self) -> None:
        """Refuses negative weights, and cycles of a warm-up that does not happen."""
        self.require_at_least(0, "beta", "warmup_steps")
        self.require_at_least(1, "warmup_cycles")
        self.require(
            self.warmup_steps > 0 or self.warmup_cycles == 1, "warmup_cycles", "1 unless objective.warmup_steps is set"
        )

    @property
    def annealing_steps(self) -> int:
        """Steps until the last rise ends."""
        return self.warmup_steps * (2 * self.warmup_cycles - 1)

    def weight(self, step: Step) -> Float[Array, ""]:
        """Returns the weight at a step."""
        from jaxvae.objectives.schedules import annealed

        return annealed(self.beta, self.warmup_steps, self.warmup_cycles, step)

    def collapse_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns a longer warm-up."""
        return f"--objective.warmup-steps {max(2 * self.warmup_steps, steps // 4)}"

    def prior_remedy(self, model: ModelConfig) -> str:
        """Returns a larger weight."""
        return f"--objective.beta {2 * max(self.beta, 0.5):g}"
