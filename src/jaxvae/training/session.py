"""What the training loop works with: what does not change in a run, and what it remembers between steps."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.per_example import DrawCodes, Measure
from jaxvae.experiment import Config
from jaxvae.runs import checkpoint
from jaxvae.runs.run import about
from jaxvae.training.input_pipeline import Advance
from jaxvae.training.metric_log import MetricLog, Pending, flush_to_disk
from jaxvae.training.sharding import Placement
from jaxvae.training.state import Keys
from jaxvae.training.validation import BatchObjective, Best
from jaxvae.vae import VAE


@dataclass(frozen=True)
class Trainer:
    """Everything about a run that does not change from step to step."""

    config: Config
    prepared: Prepared
    run: Path
    devices: DevicesConfig
    vae: VAE
    keys: Keys
    placement: Placement
    measure: Measure
    batch_objective: BatchObjective
    draw_codes: DrawCodes
    labels: np.ndarray | None

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.run / "checkpoints"

    @property
    def images(self) -> np.ndarray:
        """The training images, uint8 [n, h, w, c]."""
        return self.prepared.split("train").images


@dataclass
class Session:
    """A run under way: its open files, and what the loop remembers between steps.

    Attributes:
        trainer: what does not change.
        checkpointer: Orbax.
        record: metrics.jsonl, TensorBoard and the progress bar.
        advance: (state, step) -> (state, metrics) of the next steps, compiled.
        stop: true once the user has asked to stop.
        first: the step at which this session began.
        saved: the step of the last checkpoint.
        score: what the last validation gave; None before the first.
        best: the best validation so far.
        changes: the values that changed on the way, at which steps.
        pending: metrics that have not been fetched from the device yet.
        clock: when the metrics were last fetched.
    """

    trainer: Trainer
    checkpointer: Any
    record: MetricLog
    advance: Advance
    stop: Any
    first: int
    saved: int
    score: float | None
    best: Best
    changes: list[dict[str, Any]]
    pending: Pending = field(default_factory=list)
    clock: float = field(default_factory=time.monotonic)

    def save(self, step: int, named: dict[str, Any], **options: Any) -> None:
        """Starts saving a checkpoint, after the metrics that led to it are on the disk."""
        flush_to_disk(self.record)
        described = about(self.trainer.config, self.trainer.prepared, self.changes)
        checkpoint.save(self.checkpointer, step, named, about=described, **options)
