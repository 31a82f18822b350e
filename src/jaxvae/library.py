"""jaxvae as a library: prepare a data set, train, open a run."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.config.user_code import import_file
from jaxvae.data.config import DataConfig
from jaxvae.data.in_memory import prepare_arrays
from jaxvae.data.prepare import prepare
from jaxvae.data.prepared import Prepared
from jaxvae.data.sources.kinds import SourceConfig, source_named
from jaxvae.errors import UserError
from jaxvae.experiment import Config
from jaxvae.loaded_run import Run
from jaxvae.models import ModelConfig
from jaxvae.objectives import ObjectiveConfig
from jaxvae.runs import run as runs
from jaxvae.runs.changes import ended_before
from jaxvae.training.loop import train
from jaxvae.training.metric_log import Callback
from jaxvae.training.sharding import share_cores


def load(path: str | Path | None = None, step: int | None = None, *, code: str | Path | None = None) -> Run:
    """Opens a trained model from its run folder alone.

    Args:
        path: the run folder, or that of one of its checkpoints, or `hub:OWNER/NAME[@REVISION]`; None takes the newest
            in `runs/`.
        step: which checkpoint; None takes the one that `path` names, or else the last.
        code: a Python file with the kinds of your own that the run uses, unless they are imported already.

    Raises:
        UserError: no run, no checkpoint, a damaged one, one that a newer jaxvae wrote, or one that uses a kind that is
            not known here.
    """
    if code is not None:
        import_file(Path(code), "file of your own kinds")
    return Run(*runs.load(path, step))


def prepare_dataset(
    data: str | os.PathLike[str] | DataConfig | SourceConfig | np.ndarray | Mapping[str, np.ndarray],
    *,
    attributes: Mapping[str, Any] | None = None,
    **options: Any,
) -> Prepared:
    """Prepares a data set, or opens it where it has been prepared before.

    Args:
        data: the name of a stock data set, a path, a `DataConfig`, a source of your own; or images in memory, uint8 or
            floats in [0, 1], as one array [n, h, w, c] or as arrays by split ("train", "validation", "test").
        attributes: for images in memory, integers [n] by name (or by split, then by name).
        options: fields of `DataConfig`, such as `size` and `crop`.

    Raises:
        UserError: files are missing or damaged, or images are of the wrong shape or range.
    """
    if isinstance(data, DataConfig):
        return prepare(replace(data, **options) if options else data)
    if isinstance(data, SourceConfig):
        return prepare(DataConfig(source=data, **options))
    if isinstance(data, str | os.PathLike):
        if attributes is not None:
            raise UserError("attributes go with images in memory; those of a data set on disk come from its files.")
        return prepare(DataConfig(source=source_named(os.fspath(data)), **options))
    return prepare_arrays(data, attributes, DataConfig(**({"size": None} | options)))


def fit(
    config: Config | None = None,
    data: Any = None,
    *,
    run: str | Path | None = None,
    model: ModelConfig | None = None,
    objective: ObjectiveConfig | None = None,
    change: bool = False,
    devices: DevicesConfig = DevicesConfig(),
    callback: Callback | None = None,
) -> Run:
    """Trains a model, or continues an interrupted run, and opens the result.

    Args:
        config: the experiment; by default `Config()`.
        data: a prepared data set, or anything that `prepare_dataset` takes; by default that of the config.
        run: the run folder; by default runs/NAME. A complete run is opened as it is.
        model: replaces the model of the config.
        objective: replaces the objective of the config.
        change: continue the run of the folder with this config where it was trained with another, such as one of fewer
            steps.
        devices: which devices to train on, and how.
        callback: called with (step, kind, metrics) for each line of metrics.jsonl.

    Raises:
        UserError: the folder holds a run with another config, or training fails.
    """
    config = config or Config()
    config = replace(config, model=model or config.model, objective=objective or config.objective)
    if isinstance(data, str | os.PathLike):
        data = replace(config.data, source=source_named(os.fspath(data)))
    elif isinstance(data, SourceConfig):
        data = replace(config.data, source=data)
    if isinstance(data, DataConfig):
        config, data = replace(config, data=data), None
    share_cores(config)
    if data is not None and not isinstance(data, Prepared):
        data = prepare_dataset(data, root=config.data.root, crop=config.data.crop, color=config.data.color)
    if data is not None and not config.name:
        config = replace(config, name=data.info["name"])
    folder = Path(run) if run is not None else Path("runs") / config.title
    if ended_before(folder, config, change) is None:
        train(config, prepare(config.data) if data is None else data, folder, devices, callback)
    return load(folder)
