"""`python -m jaxvae.evaluate [RUN]`: what a trained model is worth, in numbers that can be compared."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import check_count, check_seed, run_command, say
from jaxvae.priors.names import PriorName
from jaxvae.system.processes import use_large_pages


def evaluate(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    step: int | None = None,
    split: Literal["test", "validation", "train"] = "test",
    k: int = 5000,
    prior: PriorName = "model",
    features: str = "pixels",
    n: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    data: Path | None = None,
    out: Path | None = None,
    per_example: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Measures bounds on log p(x), rate and distortion, codes and image quality, and diagnoses problems.

    Writes one JSON file, whose fields docs/reference/evaluation.md explains, and prints a table. Each image counts
    once, with its own noise, so the numbers depend on neither the batch size nor K.

    Examples: python -m jaxvae.evaluate runs/NAME --k 100
    python -m jaxvae.evaluate runs/NAME --features inception --per-example numbers.npz

    Args:
        run: The run folder; the newest in runs/ by default.
        step: The step of the checkpoint; the last one by default.
        split: The images to measure.
        k: Importance samples for log p(x), whose bound is shown at 1, 10, 100, ... up to it; on a CPU use 100 for
            a convolutional model.
        prior: p(z): the prior of the model, or one fitted to the training codes after training.
        features: For the Frechet distance: pixels, squeeze (needs jaxvae[perceptual]), inception (needs
            jaxvae[fid]), or FILE.py:FUNCTION of your own.
        n: Measure only the first n images.
        seed: Seed of all draws.
        batch_size: Images at a time; chosen by their size by default.
        data: The prepared data set, if it has moved since the run.
        out: The JSON file; by default one in the run folder, named after the arguments.
        per_example: An .npz file for the numbers of each image.
        overwrite: Replace the files that --out and --per-example name.
    """
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import file_stem, new_file, own_file, write_arrays, write_json

    check_count("--k", k, 1_000_000, "a larger K takes days and barely raises the bound")
    check_count("--n", n, 2**31 - 1, "no split has more images")
    check_count("--batch-size", batch_size, 2**16, "larger batches need more memory and are no faster")
    check_seed(seed)
    target, arrays = new_file(out, ".json", overwrite), new_file(per_example, ".npz", overwrite)
    require_run(run)

    from jaxvae.system.local_devices import one_device_per_core

    one_device_per_core()

    from jaxvae.evaluation.features import build_features

    extract = build_features(features)

    from jaxvae.data.select import data_set
    from jaxvae.evaluation.report import Options, evaluate_run, table
    from jaxvae.runs.run import load

    loaded = load(run, step)
    marks = [f"{mark}{value}" for mark, value in (("n", n), ("step", step)) if value is not None]
    marks += [file_stem([features])] if features != "pixels" else []
    name = "-".join([split, prior, f"k{k}", f"seed{seed}", *marks])
    own = loaded.info.run / "evaluation" / f"{name}.json"
    target = target or own_file(loaded.info.run, own)
    prepared = data_set(loaded.info.data, data)
    options = Options(split, k, prior, seed, n, batch_size)
    report, values = evaluate_run(loaded, prepared, options, extract)
    write_json(target, report)
    if arrays:
        write_arrays(arrays, values)
    say(*table(report).splitlines())
    say("", f"numbers: {target}", *([f"per example: {arrays}"] if arrays else []))


if __name__ == "__main__":
    run_command(evaluate, "evaluate", use_large_pages)
