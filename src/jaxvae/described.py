"""What a checkpoint says of itself, checked before anything is built from it: it may be damaged, or a stranger's."""

from pathlib import Path
from typing import Any

import jax

from jaxvae.checkpoint import DamagedError, read_about
from jaxvae.data.prepared import misdescribed
from jaxvae.latents.fitted import Fitted
from jaxvae.latents.pictures import code_shape
from jaxvae.vae import VAE, Params

OBJECTS = ("config", "data", "versions")


def described(folder: Path, step: int) -> dict[str, Any]:
    """The JSON of a run's checkpoint; `DamagedError` where it lacks what every run writes."""
    about = read_about(folder, step)
    missing = [name for name in OBJECTS if not isinstance(about.get(name), dict)]
    wrong = f"its {missing[0]} is {about.get(missing[0])!r}" if missing else None
    if wrong is None and (what := misdescribed(about["data"])) is not None:
        wrong = f"of its data set it says: {what}"
    if wrong is None and not isinstance(about["data"].get("path"), str):
        wrong = f"the path of its data set is {about['data'].get('path')!r}"
    if wrong is not None:
        raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: {wrong}.")
    return about


def check_fit(where: Path, vae: VAE, params: Params, fitted: Fitted) -> None:
    """Raises `DamagedError` where the arrays are not those of the model that the config describes."""
    wanted = jax.eval_shape(vae.init, jax.random.key(0))
    if not _same(params, wanted):
        raise DamagedError(f"the checkpoint {where} is damaged: its parameters are not those of its configuration.")
    units = sum(leaf.size for leaf in jax.tree.leaves(code_shape(vae, params)))
    for kind in fitted.kinds:
        if not fitted.fits(kind, units):
            raise DamagedError(f"the checkpoint {where} is damaged: its {kind} is none over codes of {units} units.")


def _same(tree: Any, wanted: Any) -> bool:
    have, want = (jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), each) for each in (tree, wanted))
    return bool(have == want)
