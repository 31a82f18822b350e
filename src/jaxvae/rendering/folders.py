"""A folder of pictures, a PNG of each, there whole or not at all."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.grid import picture, save_png
from jaxvae.system.files import file_stem, temp_dir


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Raises `UserError` where a file, or a folder with something in it, is in the way and may not be replaced.

    What has the suffix .png is to be a file, and everything else a folder, which other suffixes of images are not.
    """
    folder = out.suffix.lower() != ".png"
    if folder and out.suffix.lower() in Image.registered_extensions():
        raise UserError(f"--out is {out}, but must end in .png, or be a folder.")
    if out.exists() and out.is_dir() != folder:
        raise UserError(f"--out is {out}, which is {'a file' if folder else 'a folder'}; give another.")
    if not overwrite and (any(out.iterdir()) if out.is_dir() else out.exists()):
        raise UserError(
            f"{out} {'holds files' if folder else 'exists'}; give another --out, or --overwrite to replace."
        )


def write_folder(folder: Path, pictures: np.ndarray, names: Sequence[str]) -> None:
    """Pictures uint8 [n, h, w, c] as 00000-NAME.png and so on; files of these names that are there are replaced."""
    folder = folder.resolve()
    with temp_dir(folder.with_name(f".{folder.name}.partial")) as partial:
        for index, (each, name) in enumerate(zip(pictures, names, strict=True)):
            save_png(picture(each), partial / f"{index:05}-{file_stem([Path(name).name])}.png")
        try:
            if folder.is_dir():
                for file in sorted(partial.iterdir()):
                    os.replace(file, folder / file.name)
            else:
                os.replace(partial, folder)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from error
