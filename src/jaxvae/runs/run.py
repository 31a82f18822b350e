"""Finds and opens runs. A run is one folder: config.json, metrics.jsonl, checkpoints/, samples/, tensorboard/."""

import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxvae.codes import STATISTICS_TREE, CodeStatistics
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, suggest
from jaxvae.experiment import Config, from_json, to_json
from jaxvae.hub.names import is_hub_name, parse_hub_name
from jaxvae.models import build
from jaxvae.priors.fitted import KINDS, Fitted, default_kind
from jaxvae.runs import checkpoint
from jaxvae.runs.checkpoint import DamagedError
from jaxvae.runs.description import check_fit, described, read_statistics
from jaxvae.runs.formats import upgraded
from jaxvae.runs.presence import RUNS, located, no_run, require_any
from jaxvae.runs.written_config import written_config
from jaxvae.vae import VAE, Params, Prior, code_shape, over_whole_codes

LARGEST_LOG = 2**32  # Bytes of metrics.jsonl; some ten million lines.

logger = logging.getLogger("jaxvae")


class Info(NamedTuple):
    """A checkpoint's description of itself.

    `data` is the JSON of the prepared data set with its `path`; `versions` those of the packages that wrote it;
    `parameters` says which were loaded: "best" of a run with `train.patience` that has ended, "ema" (their moving
    average) where the run kept it, or "last". `fitted` holds the priors fitted to the training codes when training
    ended; `code_statistics` mean and standard deviation of those codes, where the run kept them.
    """

    run: Path
    step: int
    config: Config
    data: dict[str, Any]
    versions: dict[str, str]
    parameters: str
    fitted: Fitted
    code_statistics: CodeStatistics | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        height, width, channels = self.data["shape"]
        return height, width, channels


class Loaded(NamedTuple):
    """A trained model: pure functions, the parameters to call them with, and where they come from."""

    vae: VAE
    params: Params
    info: Info


def load(path: str | Path | None = None, step: int | None = None) -> Loaded:
    """Opens a trained model from its run folder alone.

    Args:
        path: the run folder, or that of one of its checkpoints, or `hub:OWNER/NAME[@REVISION]`; None takes the newest
            in `runs/`.
        step: which checkpoint; None takes the one that `path` names, or else the last.

    Returns:
        (vae, params, info). `params` are the best or the averaged parameters where the run kept them
        (`train.patience`, `train.ema_decay`).

    Raises:
        UserError: no run, no checkpoint, a damaged one, or one that a newer jaxvae wrote.
    """
    run, named = (newest_run(), None) if path is None else run_of(Path(path))
    step = named if step is None else step
    folder = run / "checkpoints"
    known = checkpoint.steps(folder)
    if not known:
        raise UserError(no_run(run))
    if step is not None and step not in known:
        raise UserError(f"{run} has no checkpoint at step {step}; it has {', '.join(map(str, known))}.")
    if step is None:
        step = _last_whole(folder, known)
    else:
        checkpoint.verify(folder, step)
    about = described(folder, step)
    names = checkpoint.tree_names(folder, step)
    kept = [_parameters(names), *(name for name in (*KINDS, STATISTICS_TREE) if name in names)]
    return assemble(folder / str(step), run, step, about, checkpoint.read_trees(folder, step, kept))


def assemble(where: Path, run: Path, step: int, about: dict[str, Any], trees: dict[str, Any]) -> Loaded:
    """Returns the trained model that a checkpoint holds.

    Args:
        where: what messages call the checkpoint.
        run: the run folder.
        step: number of updates made.
        about: its JSON, which `check_description` has checked.
        trees: its parameters under the name of their tree, fitted priors and statistics of codes.

    Raises:
        UserError: the configuration is invalid, or the arrays are not those of its model.
    """
    config, own = from_json(upgraded(about["config"])), _parameters(trees)
    params, fitted = trees[own], Fitted(**{kind: trees[kind] for kind in KINDS if kind in trees})
    info = Info(run, step, config, about["data"], about["versions"], "last" if own == "params" else own, fitted)
    vae = build(config.model, info.shape)
    check_fit(where, vae, params, fitted)
    if STATISTICS_TREE in trees:
        info = info._replace(code_statistics=read_statistics(where, trees[STATISTICS_TREE], vae, params))
    return Loaded(vae, params, info)


def _parameters(names: Collection[str]) -> str:
    """Returns the tree to take the parameters from, of those that a checkpoint has."""
    return next((name for name in ("best", "ema") if name in names), "params")


def run_of(path: Path) -> tuple[Path, int | None]:
    """Returns the run of a path, which may be its folder of checkpoints or one of them, and the step of the latter.

    A run on the hub, `hub:OWNER/NAME[@REVISION]`, is fetched first.
    """
    if is_hub_name(path):
        from jaxvae.runs.pulled import fetch  # Here, because it opens what it fetched with the functions below.

        return fetch(parse_hub_name(path)), None
    return located(path, checkpoint.steps) or (path, None)


def _last_whole(folder: Path, known: list[int]) -> int:
    *earlier, last = known
    try:
        checkpoint.verify(folder, last)
        described(folder, last)
    except checkpoint.DamagedError as error:
        if not earlier:
            raise
        logger.warning("%s Falling back to the checkpoint of step %d.", error, earlier[-1])
        return _last_whole(folder, earlier)
    return last


def default_prior(loaded: Loaded) -> str:
    """Returns the name of the prior to sample from: a learned one, or else the first fitted one that the run has."""
    return default_kind(loaded.info.config.learns_prior, loaded.info.fitted)


def prior_of(loaded: Loaded, kind: str) -> Prior:
    """Returns a prior by name: "model" for the one trained with the model, or one fitted after training."""
    vae, params, info = loaded
    if kind == "model":
        own: Prior = vae.prior(params)
        return own
    if kind not in KINDS:
        raise UserError(f"there is no prior {kind!r}: {suggest(kind, ('model', *KINDS))}")
    if kind not in info.fitted.kinds:
        flag, needs = KINDS[kind][:2]
        others = " or ".join(["model", *info.fitted.kinds])
        raise UserError(
            f"{info.run} has no {kind.replace('_', ' ')}: it is fitted at the end of training if --{flag} is above 0 "
            f"and there are {needs}; use --prior {others}."
        )
    return over_whole_codes(vae, params, info.fitted.prior(kind, vae.top(code_shape(vae, params))))


def newest_run(root: Path = RUNS) -> Path:
    """Returns the run in `root` that wrote metrics last, of those that have a checkpoint.

    Raises:
        UserError: there is none.
    """
    runs = require_any(root)
    runs.sort(key=lambda run: (run / "metrics.jsonl" if (run / "metrics.jsonl").exists() else run).stat().st_mtime)
    whole = [run for run in runs if checkpoint.steps(run / "checkpoints")]
    if whole and whole[-1] != runs[-1]:
        logger.warning("using the run %s, because %s has no checkpoint yet.", whole[-1], runs[-1])
    return (whole or runs)[-1]


def completed(run: Path) -> int | None:
    """Returns the step at which the run ended, complete or stopped early; None if it is not complete."""
    folder = run / "checkpoints"
    known = checkpoint.steps(folder)
    if not known:
        return None
    try:
        checkpoint.verify(folder, known[-1])
        return known[-1] if checkpoint.read_about(folder, known[-1])["complete"] else None
    except checkpoint.DamagedError:
        return None  # Its last steps are trained again, from the checkpoint before.


def beside(run: Path) -> Path:
    """Returns a folder for a new run next to an existing one: NAME-2, NAME-3, …"""
    numbered = (run if number == 1 else run.with_name(f"{run.name}-{number}") for number in count(1))
    return next(path for path in numbered if not os.path.lexists(path))


def about(config: Config, prepared: Prepared, changes: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Returns the JSON that makes a checkpoint self-contained; `changes` are those of `jaxvae.runs.changes`."""
    return {
        "config": to_json(config), "data": prepared.data, "versions": versions(), "backend": jax.default_backend(),
        "changes": list(changes),
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Returns the installed versions of the packages that numbers may depend on."""
    packages = ("jaxvae", "jax", "flax", "optax", "orbax-checkpoint")
    return {name: importlib.metadata.version(name) for name in packages} | {"python": platform.python_version()}


def read_config(run: Path) -> Config | None:
    """Returns the config that a run was trained with so far, or None if there is no run.

    That of the last checkpoint counts: config.json, which anybody can edit, only before there is one.
    """
    folder = run / "checkpoints"
    for step in reversed(checkpoint.steps(folder)):
        with suppress(DamagedError):
            return from_json(upgraded(described(folder, step)["config"]))
    return written_config(run)


def write_config(run: Path, config: Config) -> None:
    """Creates a run folder with its config."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        partial = run / "config.json.partial"
        partial.write_text(json.dumps(to_json(config), indent=2) + "\n")
        partial.rename(run / "config.json")
    except OSError as error:
        raise UserError(f"the run folder {run} cannot be written to ({error.strerror}); give another --run.") from error
