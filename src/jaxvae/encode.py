"""`python -m jaxvae.encode [RUN] [WHICH ...]`: encodes images to a file of codes, or splits to a folder of latents."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxvae.cli import report, run_command
from jaxvae.system.files import file_stem


def encode(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    which: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    split: Literal["test", "validation", "train", "all"] | None = None,
    as_: Annotated[Literal["codes", "latents"], tyro.conf.arg(name="as")] = "codes",
    standardize: bool = False,
    levels: int | None = None,
    moments: bool = False,
    flips: bool = False,
    scaling: Literal["none", "measured", "recorded"] = "none",
    data: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Writes the posterior mean and standard deviation, name and attributes of each image to a file.

    Examples: python -m jaxvae.encode runs/NAME --split test --out codes.npz
    python -m jaxvae.encode runs/NAME photos/ me.jpg
    python -m jaxvae.encode runs/NAME --split all --as latents --out latents/

    Args:
        run: The run's folder; defaults to the newest in runs/. Required if images are named.
        which: The images: files of any size and mode, folders of them (in which files that cannot be read are skipped
            with a warning), test:12, or an attribute query such as sunglasses=0.
        split: Encode all images of this split of the dataset instead, with their attributes; defaults to test if no
            images are named. all, the default of --as latents, is all three.
        as_: codes writes one file. latents writes a folder for training a diffusion model elsewhere: a memory-mapped
            .npy per split, and latents.json with the scaling and shift factor that it needs.
        standardize: Standardise each unit by the mean and standard deviation of the training codes; decode undoes it.
        levels: Of a hierarchy: write only this many of the coarsest levels; all by default.
        moments: Of latents: write posterior standard deviations too, so that codes can be drawn in training.
        flips: Of latents: also encode each image mirrored left to right, to files of their own.
        scaling: Of latents: none writes codes as the model decodes them, measured (z - shift) * factor with mean and
            1 / standard deviation of the training codes, recorded the factors that came with the model. decode undoes
            it.
        data: The prepared dataset, if it has moved since the run was trained.
        out: The file, .npz or .parquet (needs jaxvae[parquet]), or the folder of latents; defaults to one in the run's
            codes folder.
        overwrite: Replace the file, or folder of latents, named by --out.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import new_file, own_file

    if which and split:
        raise UserError(f"cannot combine --split {split} with the image {which[0]}; give images or a split.")
    if as_ == "latents":
        if which:
            raise UserError(f"--as latents encodes splits of the data set, not the image {which[0]}; give --split.")
        if standardize or levels is not None:
            what = "--standardize" if standardize else "--levels"
            raise UserError(f"{what} has no effect on latents; {'use --scaling' if standardize else 'leave it out'}.")
        _encode_latents(run, split or "all", (moments, flips, scaling), data, out, overwrite, json)
        return
    given = {"--moments": moments, "--flips": flips, "--scaling": scaling != "none", "--split all": split == "all"}
    if flag := next((flag for flag, present in given.items() if present), None):
        raise UserError(f"{flag} is for latents; add --as latents, or leave it out.")
    suffix = ".parquet" if out is not None and out.suffix == ".parquet" else ".npz"
    if out is not None and out.suffix != suffix:
        raise UserError(f"--out is {out}, but must end in .npz or .parquet.")
    target = new_file(out, suffix, overwrite)
    require_run(run)

    import jax

    from jaxvae.codes import CodeStatistics, flatten
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
        encoded = encode_images(loaded, names, about, set(names) - set(which), levels)
    else:
        encoded = encode_split(loaded, data_set(info.data, data), split or "test", levels)
    if statistics:
        kept = statistics if levels is None else CodeStatistics(*(part[:levels] for part in statistics))
        encoded = standardize_codes(encoded, kept)
    origin = {"run": str(info.run.resolve()), "step": info.step, "data": info.data["name"]}
    write_codes(target, encoded, origin)
    units = flatten(jax.tree.map(lambda leaf: leaf[:1], encoded.mean)).shape[1]
    report(
        json, codes=target, run=info.run, step=info.step, n=len(encoded.names), units=units, standardized=standardize
    )


def _encode_latents(
    run: Path | None, split: str, how: tuple[bool, bool, Any], data: Path | None, out: Path | None, overwrite: bool,
    json: bool,
) -> None:  # fmt: skip
    from jaxvae.errors import UserError
    from jaxvae.latents.latent_folder import refuse_existing_latents
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import check_writable, own_file

    if out is not None:
        if out.suffix in (".npz", ".npy", ".parquet"):
            raise UserError(f"--out is {out}, but latents are written to a folder; leave out the {out.suffix}.")
        refuse_existing_latents(out, overwrite)
        check_writable(out)
    require_run(run)

    from jaxvae.data.select import data_set
    from jaxvae.data.sources.base import SPLITS
    from jaxvae.latents.latent_writing import LatentOptions, check_latents, write_latents
    from jaxvae.runs.run import load

    loaded = load(run)
    info = loaded.info
    options = LatentOptions(SPLITS if split == "all" else (split,), *how)
    target = out or own_file(info.run, info.run / "codes" / f"latents-{split}")
    refuse_existing_latents(target, overwrite)
    check_latents(loaded, options)
    about = write_latents(loaded, data_set(info.data, data), target, options, overwrite)
    counts = {name: part["n"] for name, part in about["splits"].items()}
    numbers = {name: about["statistics"][name] for name in ("scaling_factor", "shift_factor")}
    report(json, latents=target, run=info.run, step=info.step, n=counts, shape=about["shape"], scaling=options.scaling,
           **numbers)  # fmt: skip


if __name__ == "__main__":
    run_command(encode, "encode")
