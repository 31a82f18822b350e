"""`python -m jaxvae.export [RUN]`: encoder and decoder as files that run without jaxvae."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import report, run_command


def export(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    out: Path | None = None,
    as_: Annotated[Literal["both", "stablehlo", "onnx"], tyro.conf.arg(name="as")] = "both",
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Writes the encoder and the decoder, their parameters inside, to a folder of files that need no jaxvae.

    Example: python -m jaxvae.export runs/NAME --out exported/

    Args:
        run: The run's folder; defaults to the newest in runs/.
        out: The folder to write; defaults to the run's folder export, which is replaced.
        as_: stablehlo is for programs with JAX, on CPU, GPU and TPU; onnx for ONNX Runtime and others, and is compared
            with the model before it is written. Both take batches of any size.
        overwrite: Replace another export at --out.
        json: Print the result as one line of JSON.
    """
    from jaxvae.artifacts.formats import FORMATS, check_export
    from jaxvae.runs.presence import require_run
    from jaxvae.system.files import own_file

    formats = FORMATS if as_ == "both" else (as_,)
    if out is not None:
        check_export(out, formats, overwrite)
    require_run(run)

    from jaxvae.artifacts.folder import export_run
    from jaxvae.runs.run import load

    loaded = load(run)
    own = loaded.info.run / "export"
    target = own_file(loaded.info.run, own) if out is None else out
    about = export_run(loaded, target, formats, overwrite or out is None)
    parts = {name: about[name] for name in ("encoder", "decoder")}
    files = {f"{name}_{each}": target / file for name, part in parts.items() for each, file in part["files"].items()}
    differences = {
        f"{name}_onnx_difference": part["onnx_difference"] for name, part in parts.items() if "onnx_difference" in part
    }
    report(json, folder=target, run=loaded.info.run, step=loaded.info.step, **files, **differences)


if __name__ == "__main__":
    run_command(export, "export")
