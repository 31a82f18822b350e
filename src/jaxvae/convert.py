"""`python -m jaxvae.convert FROM TO`: a model of diffusers to a run, or a run to a model of diffusers."""

from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import report, run_command


def convert(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FROM")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TO")],
    size: tuple[int, ...] = (),
    tile: int | None = None,
    data: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    groups: int | None = None,
    scaling_factor: float | None = None,
    json: bool = False,
) -> None:
    """Converts the autoencoder of a latent diffusion model to a run, which all commands open, or a run back to it.

    Examples: python -m jaxvae.convert sd-vae-ft-mse runs/sd --size 256
    python -m jaxvae.convert ae.safetensors runs/ae --data my/photos
    python -m jaxvae.convert runs/tuned tuned-vae

    Args:
        source: A diffusers folder with config.json, the folder of a pipeline with vae/ in it, a folder with the files
            NAME_encoder and NAME_decoder of a tiny autoencoder, a single file in the original layout, or a run.
            Weights are safetensors, or archives of torch.save that hold tensors only.
        target: The run folder to write, or the diffusers folder if FROM is a run; must not exist.
        size: Height and width of the images, or one number for both; defaults to what the folder says, and to 256 for
            a single file.
        tile: Side in pixels of the tiles in which larger images are encoded and decoded, which bounds memory; takes the
            whole image by default.
        data: A data set, as python -m jaxvae.prepare takes it, that becomes the run's; without one, commands need
            image files or their own --data.
        groups: Groups of the normalisations of a single file, which does not say; defaults to 32.
        scaling_factor: Factor by which a diffusion model multiplies the codes of a single file, which does not say;
            defaults to 0.18215 for 4 channels, otherwise 1.
        json: Print the result as one line of JSON.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import is_run
    from jaxvae.system.safetensors_files import require_safetensors

    require_safetensors()
    exporting = is_run(source)
    if exporting and (size or any(each is not None for each in (tile, data, groups, scaling_factor))):
        raise UserError(
            f"{source} is a run, which is converted as it is; remove --size, --tile, --data, --groups and "
            "--scaling-factor."
        )

    from jaxvae.interchange import export_model, import_model

    if exporting:
        report(json, folder=export_model(source, target), run=source)
        return
    run = import_model(
        source, target, size=size, tile=tile, data=data, groups=groups, scaling_factor=scaling_factor
    )  # fmt: skip

    from jaxvae.runs.run import load

    model, shape = (info := load(run).info).config.model, info.shape
    report(json, run=run, model=model.kind, shape=shape, **{"from": source})


if __name__ == "__main__":
    run_command(convert, "convert")
