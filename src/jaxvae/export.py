"""`python -m jaxvae.export [RUN]`: encoder and decoder, or the explorer's page, as files that run without jaxvae."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import check_count, report, run_command


def export(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    as_: Annotated[Literal["both", "stablehlo", "onnx"] | None, tyro.conf.arg(name="as")] = None,
    page: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    onnxruntime_web: Annotated[Path | None, tyro.conf.arg(metavar="PACKAGE")] = None,
    page_images: int | None = None,
    data: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Writes encoder and decoder, or the explorer's page, as files that run without jaxvae.

    Examples: python -m jaxvae.export runs/NAME --out exported/
    python -m jaxvae.export runs/NAME --page site/ --onnxruntime-web onnxruntime-web-1.30.0.tgz

    Args:
        run: The run's folder; defaults to the newest in runs/.
        out: The folder for encoder and decoder, their parameters inside; defaults to the run's folder export, which is
            replaced.
        as_: stablehlo is for programs with JAX, on CPU, GPU and TPU; onnx for ONNX Runtime and others, and is compared
            with the model before it is written. Both, the default, take batches of any size.
        page: Write the explorer instead, as a folder that any static web host serves: the decoder runs in the browser.
        onnxruntime_web: Of --page: the npm package that runs the decoder, as the file that npm pack onnxruntime-web
            downloads, or as a folder; defaults to the one in node_modules.
        page_images: Of --page: how many images of the test split become part of it, for everybody to see; 24 by
            default, 0 for none.
        data: Of --page: the prepared dataset, if it has moved since the run was trained.
        overwrite: Replace another export at --out or --page.
        json: Print the result as one line of JSON.
    """
    from jaxvae.artifacts.formats import FORMATS, check_export
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import own_file

    if page is not None:
        if out is not None or as_ is not None:
            raise UserError("--page writes the page alone; leave out --out and --as, or run the command twice.")
        _export_page(run, page, onnxruntime_web, page_images, data, overwrite, json)
        return
    given = {"--onnxruntime-web": onnxruntime_web, "--page-images": page_images, "--data": data}
    if flag := next((flag for flag, value in given.items() if value is not None), None):
        raise UserError(f"{flag} is for the page; add --page FOLDER, or leave it out.")
    formats = FORMATS if as_ in (None, "both") else (as_,)
    if out is not None:
        check_export(out, formats, overwrite)
    require_run(run)

    from jaxvae.artifacts.folder import export_run
    from jaxvae.runs.run import load

    loaded = load(run)
    target = own_file(loaded.info.run, loaded.info.run / "export") if out is None else out
    about = export_run(loaded, target, formats, overwrite or out is None)
    parts = {name: about[name] for name in ("encoder", "decoder")}
    files = {f"{name}_{each}": target / file for name, part in parts.items() for each, file in part["files"].items()}
    differences = {
        f"{name}_onnx_difference": part["onnx_difference"] for name, part in parts.items() if "onnx_difference" in part
    }
    report(json, folder=target, run=loaded.info.run, step=loaded.info.step, **files, **differences)


def _export_page(
    run: Path | None,
    page: Path,
    package: Path | None,
    images: int | None,
    data: Path | None,
    overwrite: bool,
    json: bool,
) -> None:
    from jaxvae.explorer.onnxruntime_web import check_page
    from jaxvae.runs.presence import require_run

    check_count("--page-images", images, 1000, "a browser would load them all", least=0)
    runtime = check_page(page, package, overwrite)
    require_run(run)

    from jaxvae.explorer.page_files import FACES
    from jaxvae.explorer.standalone_page import write_page
    from jaxvae.runs.run import load

    loaded = load(run)
    offered = write_page(loaded, page, runtime, data, FACES if images is None else images)
    hint = f"python -m http.server --directory {page}"
    report(json, folder=page, run=loaded.info.run, step=loaded.info.step, **offered, look=hint)


if __name__ == "__main__":
    run_command(export, "export")
