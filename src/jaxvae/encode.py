"""`python -m jaxvae.encode [RUN] [WHICH ...]`: pictures in, codes out."""

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
    data: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Writes the posterior mean and standard deviation of each picture, its name and its attributes to a file.

    Args:
        run: The run's folder; the newest in runs/ when left out, which it cannot be where pictures are named.
        which: Pictures: image files of any size and mode, folders of them, test:12, or a wish such as sunglasses=0.
        split: All pictures of this part of the data set instead, with their attributes; test when nothing is named.
        standardize: Less the mean and over the standard deviation of the training codes, by unit; decode undoes it.
        data: The prepared data set, where it is no longer where the run found it.
        out: The file, .npz or .parquet (needs jaxvae[parquet]); one in the run's codes folder when left out.
        overwrite: Replace the file that --out names.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError
    from jaxvae.system.files import new_file

    if which and split:
        raise UserError(f"--split {split} and {which[0]} are both given; name pictures or a split.")
    if run is not None and run.is_file():
        raise UserError(f"{run} is a file, where a run is wanted; name the run's folder, and then the pictures.")
    suffix = ".parquet" if out is not None and out.suffix == ".parquet" else ".npz"
    if out is not None and out.suffix != suffix:
        raise UserError(f"--out is {out}, but must end in .npz or .parquet.")
    target = new_file(out, suffix, overwrite)

    import jax

    from jaxvae.codes import flatten
    from jaxvae.data.select import data_set, expand_folders
    from jaxvae.latents.code_files import require_parquet, write_codes
    from jaxvae.latents.encoding import encode_pictures, encode_split, standardized, statistics_of
    from jaxvae.runs.run import load

    if suffix == ".parquet":
        require_parquet()
    names = expand_folders(which)
    loaded = load(run)
    info = loaded.info
    about = {**info.data, "path": str(data)} if data else info.data
    # Before the work: a model that was not given what to standardise with can be told so at once.
    statistics = statistics_of(loaded, about) if standardize else None
    if names:
        encoded = encode_pictures(loaded, names, about)
    else:
        encoded = encode_split(loaded, data_set(info.data, data), split or "test")
    if statistics:
        encoded = standardized(encoded, statistics)
    marks = [file_stem(which) if which else split or "test", *(["standardized"] if standardize else [])]
    target = target or info.run / "codes" / f"{'-'.join(marks)}.npz"
    origin = {"run": str(info.run.resolve()), "step": info.step, "data": info.data["name"]}
    write_codes(target, encoded, origin)
    units = flatten(jax.tree.map(lambda leaf: leaf[:1], encoded.mean)).shape[1]
    report(
        json, codes=target, run=info.run, step=info.step, n=len(encoded.names), units=units, standardized=standardize
    )


if __name__ == "__main__":
    run_command(encode, "encode")
