"""`python -m jaxvae.decode [RUN] CODES.npz`: decodes a file of codes, or a folder of latents, to images."""

import os
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import report, run_command
from jaxvae.system.files import file_stem, own_file

MAX_SHEET_IMAGES = 4096
SUFFIXES = (".npz", ".npy")


def decode(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    codes: Annotated[Path | None, tyro.conf.Positional] = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Decodes codes from a file, undoing the standardisation recorded in it.

    Example: python -m jaxvae.decode runs/NAME codes.npz --out images/

    Args:
        run: The run's folder; defaults to the run recorded in the file, or else the newest in runs/.
        codes: The file: an .npz as written by encode, whose array `mean`, [n, ...], is decoded, or a single array in an
            .npz or .npy; or a folder of latents, of which the test codes are decoded. Of a hierarchy it may hold the
            coarsest levels alone; those below are at their prior mean.
        out: A PNG for a sheet of all images, or a folder for one PNG each; defaults to a sheet in the run's samples
            folder.
        overwrite: Replace the files named by --out.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError
    from jaxvae.latents.latent_folder import first_file, is_latent_folder
    from jaxvae.rendering.folders import refuse_existing, write_folder
    from jaxvae.runs.presence import require_run

    if codes is None and run is not None and (run.suffix in SUFFIXES or is_latent_folder(run)):
        run, codes = None, run
    if codes is None:
        raise UserError("no codes to decode; give a file of codes, as python -m jaxvae.encode writes.")
    if is_latent_folder(codes):
        codes = first_file(codes)
    if codes.suffix not in SUFFIXES:
        raise UserError(
            f"the file of codes is {codes}, but must end in .npz or .npy; python -m jaxvae.encode writes one."
        )

    if not os.path.lexists(codes):
        raise UserError(f"{codes} does not exist; create it with python -m jaxvae.encode.")
    if out is not None:
        refuse_existing(out, overwrite)
    if run is not None:
        require_run(run)

    from jaxvae.inference import decode_to_images
    from jaxvae.latents.code_files import read_codes, source_run
    from jaxvae.rendering.grid import grid, save_png
    from jaxvae.runs.run import load
    from jaxvae.vae import code_shape

    vae, params, info = load(run or source_run(codes))
    saved = read_codes(codes, code_shape(vae, params), vae.levels)
    count = len(saved.names)
    target = out or own_file(info.run, info.run / "samples" / f"decoded-{_name(codes, info.run)}.png")
    if target.suffix.lower() == ".png" and count > MAX_SHEET_IMAGES:
        raise UserError(
            f"{codes} contains {count} codes, but a sheet has at most {MAX_SHEET_IMAGES}; give a folder as --out."
        )
    images = decode_to_images(vae, params, saved.mean)
    if target.suffix.lower() == ".png":
        save_png(grid(images, columns=max(1, round(count**0.5))), target)
        report(json, picture=target, run=info.run, step=info.step, n=count)
    else:
        write_folder(target, images, saved.names)
        report(json, folder=target, run=info.run, step=info.step, n=count)


def _name(codes: Path, run: Path) -> str:
    """Returns what the result is called: after the file, and also after its folder unless that is the run's own."""
    own = codes.resolve().parent == (run / "codes").resolve()
    return codes.stem if own else file_stem([str(codes)])


if __name__ == "__main__":
    run_command(decode, "decode")
