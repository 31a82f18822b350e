"""The formats of an export, and what can be refused before JAX is imported."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from jaxvae.errors import UserError, suggest
from jaxvae.system.whole_folder import refuse_folder

Format = Literal["stablehlo", "onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
DESCRIPTION = "export.json"


def check_export(folder: Path, formats: Sequence[str], overwrite: bool) -> None:
    """Raises UserError if a format is unknown, a package is missing, or the folder exists."""
    if unknown := [each for each in formats if each not in FORMATS]:
        raise UserError(f"unknown format {unknown[0]!r}: {suggest(unknown[0], FORMATS)}")
    if not formats:
        raise UserError(f"no formats to export; give some of {', '.join(FORMATS)}.")
    if "stablehlo" in formats:
        require_stablehlo()
    if "onnx" in formats:
        require_onnx(", or leave ONNX out with --as stablehlo")
    refuse_folder(folder, DESCRIPTION, "an export", "--out", overwrite)


def require_stablehlo() -> None:
    """Raises UserError unless what serialises an export is installed."""
    if _missing("flatbuffers"):
        raise UserError(
            "StableHLO is written with flatbuffers, which cannot be imported; pip install 'jaxvae[export]'."
        )


def require_onnx(instead: str = "") -> None:
    """Raises UserError unless the packages that write and run ONNX are installed; `instead` is another way out."""
    if missing := _missing("onnx", "onnxruntime"):
        raise UserError(
            f"ONNX files are written with onnx and checked with onnxruntime, but {' and '.join(missing)} cannot be "
            f"imported; pip install 'jaxvae[export]'{instead}."
        )


def _missing(*names: str) -> list[str]:
    return [name for name in names if importlib.util.find_spec(name) is None]
