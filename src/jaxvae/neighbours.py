"""`python -m jaxvae.neighbours [RUN]`: are samples copies of training images?"""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, check_count, check_seed, run_command
from jaxvae.priors.names import PriorName

MOST_ROWS = 1000


def neighbours(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    n: int = 8,
    k: int = 5,
    space: Literal["pixels", "codes"] = "pixels",
    compared: int = 200,
    seed: int = 0,
    prior: PriorName | None = None,
    data: Path | None = None,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Shows samples next to their nearest training images, and measures the distances.

    The median distance from a sample to its nearest training image is compared with that of held-out images, which are
    not copies, and that of their reconstructions, which are as smooth as samples. If samples were copies, they would be
    far closer.

    Example: python -m jaxvae.neighbours runs/NAME --space codes

    Args:
        run: The run's folder; defaults to the newest in runs/.
        n: Number of samples to show.
        k: Nearest training images per sample.
        space: Compare pixels, or codes, for which samples are encoded again.
        compared: Maximum number of samples and of held-out images in the medians.
        seed: Seed of the samples and of the choice of held-out images.
        prior: model, the prior that the model was trained with; or fitted_mixture, fitted_flow or
            fitted_flow_matching, fitted to the training codes at the end of training. By default that of `sample`.
        data: The prepared dataset, if it has moved since the run was trained.
    """
    from jaxvae.runs.presence import require_run

    check_count("--n", n, MOST_ROWS, "a larger sheet is unreadable")
    check_count("--k", k, MOST_ROWS, "a longer row is unreadable")
    check_count("--compared", compared, 100_000, "comparing more samples with every training image would take hours")
    check_seed(seed)
    output.check()
    require_run(run)

    import numpy as np

    from jaxvae.data.select import data_set
    from jaxvae.errors import UserError
    from jaxvae.inference import reconstruct, sample_images
    from jaxvae.keys import key_for
    from jaxvae.latents.attributes.labels import random_subset
    from jaxvae.latents.neighbours import DISTANCES, feature_space, nearest_neighbours
    from jaxvae.rendering.captions import labelled_grid
    from jaxvae.rendering.grid import save_png
    from jaxvae.runs.run import default_prior, load, prior_of

    loaded = load(run)
    vae, params, info = loaded
    source = prior or default_prior(loaded)
    target = output.place(info.run / "samples" / f"neighbours-{space}-{source}-n{n}-k{k}-seed{seed}.png")
    drawn_from, prepared = prior_of(loaded, source), data_set(info.data, data)
    train, test = prepared.split("train").images, prepared.split("test").images
    if k > len(train):
        raise UserError(f"--k is {k}, but {prepared.info['name']} has only {len(train)} training images.")
    samples = sample_images(vae, params, drawn_from, key_for("neighbours", seed), max(n, compared))
    held_out = test[random_subset(len(test), compared, seed)]
    kinds = {"samples": samples, "reconstructions": reconstruct(vae, params, held_out), "held_out": held_out}
    nearest = nearest_neighbours(
        np.concatenate(list(kinds.values())), train, k, feature_space(space, loaded, train.shape[1:])
    )

    ends = np.cumsum([len(each) for each in kinds.values()])[:-1]
    medians = {
        f"median_of_{kind}": float(np.median(each))
        for kind, each in zip(kinds, np.split(nearest.distances[:, 0], ends), strict=True)
    }
    rows = np.concatenate([samples[:n, None], train[nearest.indices[:n]]], axis=1)
    under = [text for row in nearest.distances[:n] for text in ("", *(f"{distance:#.3g}" for distance in row))]
    title = "nearest in {}, median distance: {:#.3g} of samples, {:#.3g} of held-out images".format(
        space, medians["median_of_samples"], medians["median_of_held_out"]
    )
    over = ["sample", "nearest", *map(str, range(2, k + 1))]
    save_png(labelled_grid(rows.reshape(-1, *train.shape[1:]), k + 1, over=over, under=under, title=title), target)
    output.report(
        picture=target, run=info.run, step=info.step, prior=source, seed=seed, distance=DISTANCES[space], n=n,
        **medians,
        pictures=[
            {"train": indices.tolist(), "distances": distances.tolist()}
            for indices, distances in zip(nearest.indices[:n], nearest.distances[:n], strict=True)
        ],
    )  # fmt: skip


if __name__ == "__main__":
    run_command(neighbours, "neighbours")
