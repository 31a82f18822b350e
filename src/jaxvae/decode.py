"""`python -m jaxvae.decode [RUN] CODES.npz`: codes in, pictures out."""

from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import report, run_command

MAX_SHEET_IMAGES = 4096


def decode(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    codes: Annotated[Path | None, tyro.conf.Positional] = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Decodes the codes in a file that encode wrote, after undoing a standardisation that the file says it has.

    Args:
        run: The run's folder; the one that the file says it is of, or else the newest in runs/, when left out.
        codes: The .npz file; its array `mean`, [n, ...], is decoded.
        out: A PNG for a sheet of all pictures, or a folder for a PNG of each; a sheet in the run's samples folder when
            left out.
        overwrite: Replace the files that --out names.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError

    if codes is None and run is not None and run.suffix == ".npz":
        run, codes = None, run
    if codes is None:
        raise UserError("there are no codes to decode; give an .npz file, which python -m jaxvae.encode writes.")
    if codes.suffix != ".npz":
        raise UserError(
            f"the file of codes is {codes}, but must end in .npz; python -m jaxvae.encode writes such files."
        )

    from jaxvae.inference import decode_to_images
    from jaxvae.latents.code_files import read_codes, source_run
    from jaxvae.rendering.folders import refuse_existing, write_folder
    from jaxvae.rendering.grid import grid, save_png
    from jaxvae.runs.run import load
    from jaxvae.vae import code_shape

    if out is not None:
        refuse_existing(out, overwrite)
    vae, params, info = load(run or source_run(codes))
    saved = read_codes(codes, code_shape(vae, params))
    count = len(saved.names)
    target = out or info.run / "samples" / f"decoded-{codes.stem}.png"
    if target.suffix.lower() == ".png" and count > MAX_SHEET_IMAGES:
        raise UserError(
            f"{codes} holds {count} codes, more than a sheet of {MAX_SHEET_IMAGES}; give a folder as --out."
        )
    pictures = decode_to_images(vae, params, saved.mean)
    if target.suffix.lower() == ".png":
        save_png(grid(pictures, columns=max(1, round(count**0.5))), target)
        report(json, picture=target, run=info.run, step=info.step, n=count)
    else:
        write_folder(target, pictures, saved.names)
        report(json, folder=target, run=info.run, step=info.step, n=count)


if __name__ == "__main__":
    run_command(decode, "decode")
