"""Finds and opens runs. A run is one folder: config.json, metrics.jsonl, checkpoints/, samples/, tensorboard/."""

import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxvae.annotations import Tree
from jaxvae.codes import STATISTICS_TREE, CodeStatistics
from jaxvae.data.prepared import Prepared, metadata_error
from jaxvae.errors import UserError, suggest
from jaxvae.experiment import Config, from_json, to_json
from jaxvae.keys import key_shape
from jaxvae.models import build
from jaxvae.priors.fitted import FEWEST_FLOW_CODES, KINDS, Fitted, default_kind
from jaxvae.runs import checkpoint
from jaxvae.runs.checkpoint import DamagedError, read_about
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
        path: the run folder, or that of one of its checkpoints; None takes the newest in `runs/`.
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
    config = from_json(upgraded(about["config"]))
    trees = checkpoint.tree_names(folder, step)
    parameters = next((name for name in ("best", "ema") if name in trees), "last")
    own = "params" if parameters == "last" else parameters
    read = checkpoint.read_trees(folder, step, [own, *(name for name in (*KINDS, STATISTICS_TREE) if name in trees)])
    params, fitted = read[own], Fitted(**{kind: read[kind] for kind in KINDS if kind in trees})
    info = Info(run, step, config, about["data"], about["versions"], parameters, fitted)
    vae = build(config.model, info.shape)
    check_fit(folder / str(step), vae, params, fitted)
    if STATISTICS_TREE in trees:
        info = info._replace(code_statistics=_statistics(read[STATISTICS_TREE], code_shape(vae, params)))
    return Loaded(vae, params, info)


def _statistics(tree: Tree, like: Any) -> CodeStatistics:
    """Returns the statistics as codes are built; Orbax reads tuples as lists."""
    structure = jax.tree.structure(like)
    return CodeStatistics(**{name: jax.tree.unflatten(structure, jax.tree.leaves(tree[name])) for name in tree})


def run_of(path: Path) -> tuple[Path, int | None]:
    """Returns the run of a path, which may be its folder of checkpoints or one of them, and the step of the latter."""
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
        flag = {"fitted_mixture": "mixture-components", "fitted_flow": "fitted-flow-steps"}[kind]
        needed = f"--train.{flag} is above 0"
        if kind == "fitted_flow":
            needed += f", there are at least {FEWEST_FLOW_CODES} training images and codes have at least two units"
        else:
            needed += " and there are at least two training images"
        others = " or ".join(["model", *info.fitted.kinds])
        raise UserError(
            f"{info.run} has no {kind.replace('_', ' ')}: it is fitted at the end of training if {needed}; "
            f"use --prior {others}."
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


OBJECTS = ("config", "data", "versions")


def described(folder: Path, step: int) -> dict[str, Any]:
    """Returns the JSON of a run's checkpoint.

    Raises:
        DamagedError: it lacks what every run writes.
    """
    about = read_about(folder, step)
    missing = [name for name in OBJECTS if not isinstance(about.get(name), dict)]
    wrong = f"its {missing[0]} is {about.get(missing[0])!r}" if missing else None
    if wrong is None and (what := metadata_error(about["data"])) is not None:
        wrong = f"its data set: {what}"
    if wrong is None and not isinstance(about["data"].get("path"), str):
        wrong = f"the path of its data set is {about['data'].get('path')!r}"
    if wrong is not None:
        raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: {wrong}.")
    return about


def check_fit(where: Path, vae: VAE, params: Params, fitted: Fitted) -> None:
    """Raises `DamagedError` if the arrays are not those of the model that the config describes."""
    wanted = jax.eval_shape(vae.init, key_shape())
    if not same_shapes(params, wanted):
        raise DamagedError(f"the checkpoint {where} is damaged: its parameters are not those of its configuration.")
    units = vae.top_units(params)
    for kind in fitted.kinds:
        if not fitted.fits(kind, units):
            raise DamagedError(f"the checkpoint {where} is damaged: its {kind} does not fit codes of {units} units.")


def same_shapes(tree: Tree, wanted: Any) -> bool:
    """Returns whether two trees have the same structure, and leaves of the same shapes and types."""
    have, want = (jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), each) for each in (tree, wanted))
    return bool(have == want)
