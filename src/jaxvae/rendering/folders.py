"""Writes folders of images, one PNG each, atomically."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.grid import save_png, to_pil
from jaxvae.system.files import check_writable, file_stem, temp_dir


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Raises UserError if `out` cannot be written, has the wrong kind, or exists and `overwrite` is False.

    A path ending in .png is a file; anything else is a folder, except paths with another image suffix, which are
    rejected.
    """
    folder = out.suffix.lower() != ".png"
    if folder and out.suffix.lower() in Image.registered_extensions():
        raise UserError(f"--out is {out}; expected a name ending in .png, or a folder.")
    if out.exists() and out.is_dir() != folder:
        raise UserError(f"--out is {out}, which is {'a file' if folder else 'a folder'}; choose another path.")
    if not overwrite and (any(out.iterdir()) if out.is_dir() else out.exists()):
        raise UserError(
            f"{out} {'is not empty' if folder else 'exists'}; choose another --out, or pass --overwrite to replace it."
        )
    check_writable(out)


def write_folder(folder: Path, images: np.ndarray, names: Sequence[str]) -> None:
    """Writes images uint8 [n, h, w, c] as 00000-NAME.png and so on, replacing existing files of these names."""
    folder = folder.resolve()
    with temp_dir(folder.with_name(f".{folder.name}.partial")) as partial:
        for index, (image, name) in enumerate(zip(images, names, strict=True)):
            save_png(to_pil(image), partial / f"{index:05}-{file_stem([Path(name).name])}.png")
        try:
            if folder.is_dir():
                for file in sorted(partial.iterdir()):
                    os.replace(file, folder / file.name)
            else:
                os.replace(partial, folder)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from error
