"""The images of a model card."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np

from jaxvae.data.select import data_set
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, draw, reconstruct, unstack
from jaxvae.keys import key_for
from jaxvae.latents.paths.interpolation import codes_along, linear
from jaxvae.models.latent_diffusion import LatentDiffusionModel
from jaxvae.rendering.grid import grid, over_under, save_png
from jaxvae.runs.run import Loaded, default_prior, prior_of

COLUMNS, ROWS, WALK_STEPS, SEED = 8, 4, 9, 0
Kind = Literal["draws", "walk", "reconstructions"]
KINDS: tuple[Kind, ...] = ("draws", "walk", "reconstructions")


class CardImage(NamedTuple):
    """An image file, and what it shows."""

    path: Path
    caption: str


def draw_images(
    loaded: Loaded, folder: Path, kinds: Sequence[Kind] | None, tell: Callable[[str], object]
) -> list[CardImage]:
    """Writes draws.png, walk.png and reconstructions.png, as far as they are requested; returns them.

    Args:
        loaded: the model.
        folder: an existing folder.
        kinds: which; None for those that this run can make, and `tell` is called with what it cannot.
        tell: prints a line.

    Raises:
        UserError: one that was requested cannot be made.
    """
    made = []
    generated = [kind for kind in kinds or KINDS if kind != "reconstructions"]
    if generated and generates(loaded):
        made += _draws_and_walk(loaded, folder, generated)
    elif generated:
        why = f"{loaded.info.run} has no prior worth drawing from; --images reconstructions leaves draws and walk out."
        _refuse(kinds, why, "no draws on the card: the run has no prior worth drawing from", tell)
    if kinds is None or "reconstructions" in kinds:
        try:
            made.append(_reconstructions(loaded, folder))
        except UserError as error:
            _refuse(kinds, str(error), f"no reconstructions on the card: {error}", tell)
    return made


def generates(loaded: Loaded) -> bool:
    """Returns whether draws are worth showing: from a learned or fitted prior, or one that training held codes to."""
    config, fitted = loaded.info.config, loaded.info.fitted
    held = config.objective.variational and not isinstance(config.model, LatentDiffusionModel)
    return config.learns_prior or bool(fitted.kinds) or held


def _refuse(kinds: Sequence[Kind] | None, why: str, line: str, tell: Callable[[str], object]) -> None:
    if kinds is not None:
        raise UserError(why)
    tell(line)


def _draws_and_walk(loaded: Loaded, folder: Path, kinds: Sequence[Kind]) -> list[CardImage]:
    vae, params, _ = loaded
    kind, count = default_prior(loaded), COLUMNS * ROWS
    codes = draw(prior_of(loaded, kind), key_for("sample", SEED), 1.0, count)
    first, second, *_ = unstack(codes)
    walk = codes_along(linear, (first, second), np.linspace(0.0, 1.0, WALK_STEPS))
    # Decoded together, which takes one program instead of two.
    images = decode_to_images(vae, params, jax.tree.map(lambda a, b: np.concatenate([a, b]), codes, walk))
    prior = "the prior of the model" if kind == "model" else f"the {kind.replace('_', ' ')}"
    sheets = {
        "draws": (
            grid(images[:count], COLUMNS),
            f"{count} draws from {prior}, as python -m jaxvae.sample --n {count} --seed {SEED} makes them",
        ),
        "walk": (grid(images[count:], WALK_STEPS), "A straight walk between the codes of two draws"),
    }
    return [
        CardImage(save_png(sheet, folder / f"{name}.png"), caption)
        for name, (sheet, caption) in sheets.items()
        if name in kinds
    ]


def _reconstructions(loaded: Loaded, folder: Path) -> CardImage:
    vae, params, info = loaded
    originals = np.asarray(data_set(info.data).split("test").images[: 2 * COLUMNS])
    sheet = over_under(originals, reconstruct(vae, params, originals), COLUMNS)
    return CardImage(save_png(sheet, folder / "reconstructions.png"), "Test images above their reconstructions")
