"""`python -m jaxvae.encode [RUN] [WHICH ...]`: encodes images to a file of codes."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import report, run_command
from jaxvae.system.files import file_stem


def encode(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    which: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    split: Literal["test", "validation", "train"] | None = None,
    standardize: bool = False,
    levels: int | None = None,
    data: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Writes the posterior mean and standard deviation, name and attributes of each image to a file.

    Examples: python -m jaxvae.encode runs/NAME --split test --out codes.npz
    python -m jaxvae.encode runs/NAME photos/ me.jpg

    Args:
        run: The run's folder; defaults to the newest in runs/. Required if images are named.
        which: The images: files of any size and mode, folders of them (in which files that cannot be read are skipped
            with a warning), test:12, or an attribute query such as sunglasses=0.
        split: Encode all images of this split of the dataset instead, with their attributes; defaults to test if no
            images are named.
        standardize: Standardise each unit by the mean and standard deviation of the training codes; decode undoes it.
        levels: Of a hierarchy: write only this many of the coarsest levels; all by default.
        data: The prepared dataset, if it has moved since the run was trained.
        out: The file, .npz or .parquet (needs jaxvae[parquet]); defaults to one in the run's codes folder.
        overwrite: Replace the file named by --out.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import new_file, own_file

    if which and split:
        raise UserError(f"cannot combine --split {split} with the image {which[0]}; give images or a split.")
    suffix = ".parquet" if out is not None and out.suffix == ".parquet" else ".npz"
    if out is not None and out.suffix != suffix:
        raise UserError(f"--out is {out}, but must end in .npz or .parquet.")
    target = new_file(out, suffix, overwrite)
    require_run(run)

    import jax

    from jaxvae.codes import flatten
    from jaxvae.data.select import data_set, expand_folders
    from jaxvae.latents.code_files import require_parquet, write_codes
    from jaxvae.latents.encoding import encode_images, encode_split, standardize_codes, training_statistics
    from jaxvae.runs.run import load

    if suffix == ".parquet":
        require_parquet()
    names = expand_folders(which)
    loaded = load(run)
    info = loaded.info
    known = loaded.vae.levels
    if levels is not None and not 1 <= levels <= len(known):
        wanted = f"between 1 and {len(known)} ({', '.join(known)})" if known else "left out: its codes have one level"
        raise UserError(f"--levels is {levels}, but for {info.run} must be {wanted}.")
    marks = [file_stem(which) if which else split or "test", *(["standardized"] if standardize else [])]
    marks += [f"levels{levels}"] if levels else []
    target = target or own_file(info.run, info.run / "codes" / f"{'-'.join(marks)}.npz")
    about = {**info.data, "path": str(data)} if data else info.data
    # First, so that missing statistics are reported before the encoding.
    statistics = training_statistics(loaded, about) if standardize else None
    if names:
        encoded = encode_images(loaded, names, about, optional=set(names) - set(which))
    else:
        encoded = encode_split(loaded, data_set(info.data, data), split or "test")
    if statistics:
        encoded = standardize_codes(encoded, statistics)
    encoded = encoded.coarsest(levels) if levels else encoded
    origin = {"run": str(info.run.resolve()), "step": info.step, "data": info.data["name"]}
    write_codes(target, encoded, origin)
    units = flatten(jax.tree.map(lambda leaf: leaf[:1], encoded.mean)).shape[1]
    report(
        json, codes=target, run=info.run, step=info.step, n=len(encoded.names), units=units, standardized=standardize
    )


if __name__ == "__main__":
    run_command(encode, "encode")
