"""Validates a checkpoint's metadata and arrays before use: it may be damaged or untrusted."""

from pathlib import Path
from typing import Any

import jax

from jaxvae.annotations import Tree
from jaxvae.codes import CodeStatistics
from jaxvae.data.prepared import metadata_error
from jaxvae.keys import key_shape
from jaxvae.priors.fitted import Fitted
from jaxvae.runs.checkpoint import DamagedError, read_about
from jaxvae.vae import VAE, Params, code_shape

OBJECTS = ("config", "data", "versions")


def described(folder: Path, step: int) -> dict[str, Any]:
    """Returns the JSON of a run's checkpoint.

    Raises:
        DamagedError: it lacks what every run writes.
    """
    about = read_about(folder, step)
    check_description(folder / str(step), about)
    return about


def check_description(where: Path, about: dict[str, Any]) -> None:
    """Raises `DamagedError` if the JSON of a checkpoint lacks what every run writes."""
    missing = [name for name in OBJECTS if not isinstance(about.get(name), dict)]
    wrong = f"its {missing[0]} is {about.get(missing[0])!r}" if missing else None
    if wrong is None and (what := metadata_error(about["data"])) is not None:
        wrong = f"its data set: {what}"
    if wrong is None and not isinstance(about["data"].get("path"), str):
        wrong = f"the path of its data set is {about['data'].get('path')!r}"
    if wrong is not None:
        raise DamagedError(f"the checkpoint {where} is damaged: {wrong}.")


def check_fit(where: Path, vae: VAE, params: Params, fitted: Fitted) -> None:
    """Raises `DamagedError` if the arrays are not those of the model that the config describes."""
    wanted = jax.eval_shape(vae.init, key_shape())
    if not same_shapes(params, wanted):
        raise DamagedError(f"the checkpoint {where} is damaged: its parameters are not those of its configuration.")
    top = vae.top(code_shape(vae, params))
    for kind in fitted.kinds:
        if not fitted.fits(kind, top):
            units = vae.top_units(params)
            raise DamagedError(f"the checkpoint {where} is damaged: its {kind} does not fit codes of {units} units.")


def read_statistics(where: Path, tree: Tree, vae: VAE, params: Params) -> CodeStatistics:
    """Returns the statistics as codes are built, since trees are read with lists for tuples.

    Raises:
        DamagedError: they are not those of codes of this model.
    """
    leaves, structure = jax.tree.flatten(code_shape(vae, params))
    shapes = [leaf.shape for leaf in leaves]
    parts = {name: jax.tree.leaves(tree[name]) for name in tree} if isinstance(tree, dict) else {}
    if set(parts) != set(CodeStatistics._fields) or any(
        [leaf.shape for leaf in part] != shapes for part in parts.values()
    ):
        raise DamagedError(f"the checkpoint {where} is damaged: its code_statistics do not fit its codes.")
    return CodeStatistics(**{name: jax.tree.unflatten(structure, part) for name, part in parts.items()})


def same_shapes(tree: Tree, wanted: Any) -> bool:
    """Returns whether two trees have the same structure, and leaves of the same shapes and types."""
    have, want = (jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), each) for each in (tree, wanted))
    return bool(have == want)
