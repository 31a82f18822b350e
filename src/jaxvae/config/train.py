"""The part of a config that says how training goes."""

from dataclasses import dataclass
from typing import Literal

from jaxvae.config.checks import Checked


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
    """How long, how fast, and what is written down on the way."""

    prefix = "train."

    steps: int = 3000
    """Parameter updates in all."""
    batch_size: int = 64
    """Pictures per update."""
    learning_rate: float = 1e-3
    """Peak of the schedule."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after its warm-up: a cosine to zero at the last step, or nothing."""
    warmup_steps: int = 100
    """Updates over which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW)."""
    clip_norm: float | None = 100.0
    """Largest global norm of the gradient, of an objective summed over pixels; larger ones are scaled down."""
    most_not_finite: int = 10
    """Steps in a row whose loss or gradient may fail to be finite: each is skipped, and after so many the run stops."""
    spike_factor: float | None = None
    """Skip updates whose gradient norm, before the clip, is above so many times the 0.9 quantile of the last 100 norms;
    without it none."""
    most_spikes: int = 5
    """Spikes skipped in a row before one is let through."""
    ema_decay: float = 0.0
    """Decay of the running mean of the parameters that evaluation and sampling then use; 0 is off."""
    log_every: int = 10
    """Updates between two lines of metrics."""
    validate_every: int = 500
    """Updates between two passes over the whole validation split, each with a checkpoint."""
    patience: int = 0
    """Validations without a better one after which training stops, to keep the best parameters; 0 never stops."""
    picture_every: int = 500
    """Updates between two sets of pictures."""
    mixture_components: int = 10
    """Gaussians of the mixture fitted to the training codes when training ends, for sampling; 0 fits none."""
    fitted_flow_steps: int = 2000
    """Updates of the flow fitted to the training codes when training ends, for sampling; 0 fits none."""

    def check(self) -> None:
        """Refuses counts and rates that are out of range."""
        self.require_at_least(
            1, "steps", "batch_size", "log_every", "validate_every", "picture_every", "most_not_finite", "most_spikes"
        )
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(self.clip_norm is None or self.clip_norm > 0, "clip_norm", "above 0, or None")
        self.require(self.spike_factor is None or self.spike_factor > 1, "spike_factor", "above 1, or None")
        self.require_at_least(0, "warmup_steps", "weight_decay", "mixture_components", "fitted_flow_steps", "patience")
        self.require(0 <= self.ema_decay < 1, "ema_decay", "at least 0 and below 1")
