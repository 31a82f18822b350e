"""`python -m jaxvae.prepare NAME [--raw DIR]`: converts a dataset to the prepared format."""

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
    value_range: tuple[float, float] | None = None,
    skip_share: float = 0.01,
) -> None:
    """Converts a dataset to the prepared format and prints a summary; does nothing if it is already prepared.

    Example: python -m jaxvae.prepare folder --raw photos/ --size 64

    Args:
        name: `avatars`, any TFDS image dataset by its name, `folder` (with --raw), or the path of a folder or
            file of images.
        raw: Folder of manually downloaded files for a TFDS dataset, or the folder of images for `folder`.
        root: Folder of prepared datasets.
        crop: Side in pixels of the square cropped from the centre; defaults to the largest that fits.
        size: Side in pixels to which the square is resized; None keeps the size.
        color: Colours of the prepared images; `keep` is grey only if every image of the source is.
        value_range: Values that become black and white, for images of more than 8 bits and for arrays; chosen by type
            and measured values by default.
        skip_share: Largest share of unreadable files tolerated in a folder.
    """
    from jaxvae.data.config import DataConfig
    from jaxvae.data.prepare import prepare as prepare_data
    from jaxvae.data.sources.kinds import source_named
    from jaxvae.data.summary import describe

    config = DataConfig(
        source=source_named(name, raw), root=root, crop=crop, size=size, color=color, value_range=value_range,
        skip_share=skip_share,
    )  # fmt: skip
    print(describe(prepare_data(config)))


if __name__ == "__main__":
    run_command(prepare, "prepare")
