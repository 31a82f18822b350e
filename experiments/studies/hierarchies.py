"""A model of one level and a hierarchy, trained on the same data: draws from their priors, and the same walk.

python experiments/studies/hierarchies.py runs/avatars runs/avatars_top_down --name hierarchy
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from jaxvae import UserError, load
from jaxvae.cli import run_command
from jaxvae.data.select import select, walk_ends
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import save_png

COLUMNS, ROWS, STEPS = 12, 3, 10


def hierarchies(
    one_level: Annotated[Path, tyro.conf.Positional],
    hierarchy: Annotated[Path, tyro.conf.Positional],
    name: str = "hierarchy",
    out: Path = Path("experiments/pictures"),
) -> None:
    """Writes NAME_draws.png and NAME_walk.png.

    Args:
        one_level: Run folder of the model of one level; draws from a mixture fitted to its codes are shown too.
        hierarchy: Run folder of the hierarchy.
        name: What the images are called.
        out: Folder of the images.
    """
    plain, levels = load(one_level), load(hierarchy)
    if plain.vae.levels or not levels.vae.levels:
        raise UserError("expected a run of a model of one level, then one of a hierarchy.")
    draws = {"one level,\nown prior": plain.sample(COLUMNS * ROWS, prior="model")}
    if "fitted_mixture" in plain.info.fitted.kinds:
        draws["one level,\nfitted mixture"] = plain.sample(COLUMNS * ROWS, prior="fitted_mixture")
    draws["hierarchy,\nown prior"] = levels.sample(COLUMNS * ROWS, prior="model")
    before = [label if row == 1 else "" for label in draws for row in range(ROWS)]
    save_png(labelled_grid(np.concatenate(list(draws.values())), COLUMNS, before=before), out / f"{name}_draws.png")
    data = plain.info.data
    first, last = (select(which, data) for which in walk_ends(plain.info.config.data, data))
    walks = [np.concatenate([first[None], run.interpolate(first, last, STEPS), last[None]]) for run in (plain, levels)]
    sheet = labelled_grid(np.concatenate(walks), COLUMNS, before=["one level", "hierarchy"])
    save_png(sheet, out / f"{name}_walk.png")
    print(out / f"{name}_draws.png", out / f"{name}_walk.png", sep="\n")


if __name__ == "__main__":
    run_command(hierarchies, "hierarchies", program="python experiments/studies/hierarchies.py")
