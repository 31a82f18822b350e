"""`python -m jaxvae.prepare NAME [--raw DIR]`: brings a data set into the prepared format."""

from typing import Annotated, Literal

import tyro

from jaxvae.cli import run_command


def prepare(
    name: Annotated[str, tyro.conf.Positional],
    raw: str | None = None,
    root: str = "data",
    crop: int | None = None,
    size: int | None = 64,
    color: Literal["keep", "rgb", "grey"] = "keep",
    skip_share: float = 0.01,
) -> None:
    """Brings a data set into the prepared format and prints what it found; doing so again costs nothing.

    Args:
        name: `avatars`, any TFDS image set by its name, `folder` (with --raw), or the path of a folder, .npz or .npy.
        raw: Folder of hand-downloaded files for a TFDS set, or the folder of images for `folder`.
        root: Where prepared data sets are kept.
        crop: Side in pixels of the centred square that is cut out first; without it the largest one that fits.
        size: Side in pixels that the square is resized to; None leaves pictures as they are.
        color: Colours of the prepared pictures; `keep` is grey only where every picture of the source is.
        skip_share: Largest share of unreadable files that a folder may hold before that is an error.
    """
    from jaxvae.data import prepare as prepare_data
    from jaxvae.data.config import DataConfig
    from jaxvae.data.sources.kinds import source_named
    from jaxvae.data.summary import describe

    config = DataConfig(
        source=source_named(name, raw), root=root, crop=crop, size=size, color=color, skip_share=skip_share,
    )  # fmt: skip
    print(describe(prepare_data(config)))


if __name__ == "__main__":
    run_command(prepare, "prepare")
