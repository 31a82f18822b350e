"""The part of a config that says how training goes."""

from dataclasses import dataclass
from typing import Literal

from jaxvae.config.checks import Checked


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
    """Length, optimizer, and what is logged, validated and drawn on the way."""

    prefix = "train."

    steps: int = 3000
    """Total number of parameter updates."""
    batch_size: int = 64
    """Images per update."""
    optimizer: Literal["adamw", "adamax"] = "adamw"
    """AdamW, or Adamax with decoupled weight decay, which follows the largest gradients and suits deep hierarchies."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up: a cosine to zero at the last step, or constant."""
    warmup_steps: int = 100
    """Updates over which the learning rate rises linearly."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the networks; the scale of the likelihood and the prior have none."""
    clip_norm: float | None = 100.0
    """Clip the gradient to this global norm; the objective is summed over pixels, so norms are large."""
    most_not_finite: int = 10
    """Stop after this many consecutive steps whose loss or gradient is not finite; each such step is skipped."""
    spike_factor: float | None = None
    """Skip updates whose gradient norm, before clipping, exceeds this multiple of the 0.9 quantile of the last 100
    norms; None skips none."""
    most_spikes: int = 5
    """Consecutive spikes to skip before applying one."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the parameters, which evaluation and sampling then use; 0 is off."""
    freeze: tuple[str, ...] = ()
    """Parts of the parameters that are not trained: `--train.freeze encoder` tunes the decoder alone, and every image
    keeps its code."""
    log_every: int = 10
    """Log metrics every this many updates."""
    validate_every: int = 500
    """Measure the whole validation split and save a checkpoint every this many updates."""
    patience: int = 0
    """Stop after this many validations without a better objective and keep the best parameters; 0 never stops early."""
    picture_every: int = 500
    """Draw images every this many updates."""
    mixture_components: int | None = None
    """Components of the Gaussian mixture fitted to the training codes after training, for sampling; 0 fits none. None
    fits 10, or none where the model learns its prior and samples from that."""
    fitted_flow_steps: int | None = None
    """Updates of the flow fitted to the training codes after training, for sampling; 0 fits none. None makes 2000, or
    none where the model learns its prior and samples from that."""
    flow_matching_steps: int = 0
    """Updates of the flow-matching prior fitted to the training codes after training; 0 fits none. Where the images
    have attributes, `sample --with NAME` then draws on request. 5000 take one to two minutes on two cores."""

    def check(self) -> None:
        """Refuses counts and rates that are out of range."""
        self.require_at_least(
            1, "steps", "batch_size", "log_every", "validate_every", "picture_every", "most_not_finite", "most_spikes"
        )
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(self.clip_norm is None or self.clip_norm > 0, "clip_norm", "above 0, or None")
        self.require(self.spike_factor is None or self.spike_factor > 1, "spike_factor", "above 1, or None")
        self.require_at_least(0, "warmup_steps", "weight_decay", "patience")
        for name in ("mixture_components", "fitted_flow_steps", "flow_matching_steps"):
            self.require((getattr(self, name) or 0) >= 0, name, "at least 0, or None")
        self.require(len(set(self.freeze)) == len(self.freeze), "freeze", "a list without repetitions")
        self.require(0 <= self.ema_decay < 1, "ema_decay", "at least 0 and below 1")
