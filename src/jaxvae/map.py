"""`python -m jaxvae.map [RUN]`: the latent space as a 2-D plot."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, check_count, check_seed, run_command
from jaxvae.system.files import file_stem


def draw_map(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    method: Literal["pca", "tsne", "umap"] = "pca",
    attribute: str | None = None,
    n: int = 2000,
    split: Literal["test", "validation", "train"] = "test",
    seed: int = 0,
    manifold: bool = False,
    steps: int = 20,
    data: Path | None = None,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Plots codes in the plane, coloured by an attribute; or decodes a grid of codes.

    Examples: python -m jaxvae.map runs/NAME --method tsne --attribute sunglasses
    python -m jaxvae.map runs/NAME --manifold

    Args:
        run: The run's folder; defaults to the newest in runs/.
        method: Principal components, t-SNE, or UMAP (needs jaxvae[umap]).
        attribute: Colours the points, e.g. sunglasses or label; defaults to one colour.
        n: Maximum number of images, sampled at random if there are more.
        split: The split of the images.
        seed: Seed of that sample, and of t-SNE and UMAP.
        manifold: Instead, for codes of two units, decode a grid of the prior's quantiles along both.
        steps: Images along each side of the manifold.
        data: The prepared dataset, if it has moved since the run was trained.
    """
    from jaxvae.errors import UserError
    from jaxvae.rendering.scatter import import_figure
    from jaxvae.runs.presence import require_run

    check_count("--n", n, 10_000_000, "a plot with more points is unreadable")
    check_count("--steps", steps, 1000, "a larger sheet is unreadable")
    check_seed(seed)
    if manifold and attribute:
        raise UserError("--manifold draws images, which --attribute cannot colour; use only one of them.")
    output.check()
    require_run(run)
    if not manifold:
        import_figure()

    from jaxvae.data.select import data_set
    from jaxvae.inference import code_rows
    from jaxvae.latents import maps
    from jaxvae.latents.attributes.labels import attribute_values, random_subset
    from jaxvae.rendering.grid import grid, save_png
    from jaxvae.rendering.scatter import Coloring, save_scatter
    from jaxvae.runs.run import load

    loaded = load(run)
    vae, params, info = loaded
    origin = {"run": info.run, "step": info.step}
    if manifold:
        maps.require_two_units(loaded)
        target = output.place(info.run / "samples" / f"manifold-{steps}.png")
        no_prior = not info.config.objective.variational
        images = data_set(info.data, data).split(split).images[:n] if no_prior else None
        sheet = maps.manifold(loaded, images, steps)
        save_png(grid(sheet.images.reshape(-1, *sheet.images.shape[2:]), columns=steps), target)
        output.report(picture=target, **origin, manifold=steps, quantiles_of=sheet.description)
        return
    if method == "umap":
        maps.import_umap()
    prepared = data_set(info.data, data)
    chosen = random_subset(len(prepared.split(split).images), n, seed)
    coloring = None
    if attribute is not None:
        values, classes = attribute_values(prepared, split, attribute)
        coloring = Coloring(attribute, values[chosen], classes)
    name = "-".join(
        ["map", method, *([file_stem([attribute])] if attribute else []), split, f"n{len(chosen)}", f"seed{seed}"]
    )
    target = output.place(info.run / "samples" / f"{name}.png")
    layout = maps.lay_out(code_rows(vae, params, prepared.split(split).images[chosen]), method, seed)
    label = {"pca": "principal components", "tsne": "t-SNE", "umap": "UMAP"}[method]
    title = f"{info.run.resolve().name}: codes of {len(chosen)} {split} images, {label}"
    save_scatter(target, layout.points, layout.axes, title, coloring)
    output.report(picture=target, **origin, method=method, attribute=attribute, split=split, n=len(chosen), seed=seed)


if __name__ == "__main__":
    run_command(draw_map, "map")
