"""`python -m jaxvae.prepare NAME [--raw DIR]`: converts a dataset to the prepared format."""

from dataclasses import replace
from typing import Annotated, Literal

import tyro

from jaxvae.cli import run_command


def prepare(
    name: Annotated[str, tyro.conf.Positional],
    raw: Annotated[str | None, tyro.conf.arg(aliases=["--data.raw"])] = None,
    root: Annotated[str, tyro.conf.arg(aliases=["--data.root"])] = "data",
    crop: Annotated[int | None, tyro.conf.arg(aliases=["--data.crop"])] = None,
    size: Annotated[int | None, tyro.conf.arg(aliases=["--data.size"])] = 64,
    color: Annotated[Literal["keep", "rgb", "grey"], tyro.conf.arg(aliases=["--data.color"])] = "keep",
    attributes: Annotated[str, tyro.conf.arg(aliases=["--data.source.attributes"])] = "",
    value_range: Annotated[tuple[float, float] | None, tyro.conf.arg(aliases=["--data.value-range"])] = None,
    skip_share: Annotated[float, tyro.conf.arg(aliases=["--data.skip-share"])] = 0.01,
) -> None:
    """Converts a dataset to the prepared format and prints a summary; does nothing if it is already prepared.

    Flags may be spelled as in training, where they are part of `data`.

    Examples: python -m jaxvae.prepare my/photos --size 64
    python -m jaxvae.prepare celeb_a --raw my/celeba --crop 140

    Args:
        name: `avatars`, any TFDS image dataset by its name, `folder` (with --raw), or the path of a folder or
            file of images.
        raw: Folder of manually downloaded files for a TFDS dataset, or the folder of images for `folder`.
        root: Folder of prepared datasets.
        crop: Side in pixels of the square cropped from the centre; defaults to the largest that fits.
        size: Side in pixels to which the square is resized; None keeps the size.
        color: Colours of the prepared images; `keep` is grey only if every image of the source is.
        attributes: Table of attributes for a folder, whose first column names files; attributes.csv in the folder is
            found by itself.
        value_range: Values that become black and white, for images of more than 8 bits and for arrays; chosen by type
            and measured values by default.
        skip_share: Largest share of unreadable files tolerated in a folder.
    """
    from jaxvae.data.config import DataConfig
    from jaxvae.data.prepare import prepare as prepare_data
    from jaxvae.data.sources.kinds import Folder, source_named
    from jaxvae.data.summary import advise, describe
    from jaxvae.errors import UserError

    source = source_named(name, raw)
    if attributes:
        if not isinstance(source, Folder):
            raise UserError(f"--attributes is {attributes!r}, but {name} is not a folder of images; remove it.")
        source = replace(source, attributes=attributes)
    config = DataConfig(
        source=source, root=root, crop=crop, size=size, color=color, value_range=value_range,
        skip_share=skip_share,
    )  # fmt: skip
    prepared = prepare_data(config)
    print("\n".join([describe(prepared), *(f"  advice      {each}" for each in advise(prepared))]))


if __name__ == "__main__":
    run_command(prepare, "prepare")
