"""What the exported page needs: the files of onnxruntime-web, which run its decoder, from the npm package."""

import json
import tarfile
from pathlib import Path

from jaxvae.artifacts.formats import require_onnx
from jaxvae.errors import UserError
from jaxvae.system.small_files import check_regular
from jaxvae.system.whole_folder import refuse_folder

# The variant without graphics cards. Its name says threads, but it also runs in one.
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
ABOUT = "package.json"
DESCRIPTION = "explorer.json"  # Of the exported page.
INSTALLED = Path("node_modules/onnxruntime-web")  # Where `npm install` puts it.
LARGEST = 2**27  # Bytes of one file; the largest has 14 MB.

HOW_TO = (
    "get it with `npm pack onnxruntime-web`, and name the file that this downloads with --onnxruntime-web, or install "
    "it here with `npm install onnxruntime-web`"
)


def check_page(folder: Path, package: Path | None, overwrite: bool) -> dict[str, bytes]:
    """Returns the files of onnxruntime-web; raises UserError if a page cannot be written to this folder."""
    refuse_folder(folder, DESCRIPTION, "an exported page", "--page", overwrite)
    require_onnx()
    return read_onnxruntime_web(package)


def read_onnxruntime_web(path: Path | None) -> dict[str, bytes]:
    """Returns the files by name, with the package.json that states their version and licence.

    Args:
        path: the package as an archive (.tgz), or its folder; None takes the one that npm has installed here.

    Raises:
        UserError: there is no package, or it is another one.
    """
    if path is None and not INSTALLED.is_dir():
        raise UserError(f"the page needs onnxruntime-web, a package of npm: {HOW_TO}.")
    path = INSTALLED if path is None else path
    names = {ABOUT: ABOUT, **{f"dist/{name}": name for name in FILES}}
    try:
        found = {name: _read(path, inside) for inside, name in names.items()}
        about = json.loads(found[ABOUT])
    except (OSError, KeyError, tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{path} is not the npm package onnxruntime-web of version 1.20 or newer ({error}): {HOW_TO}."
                        ) from error  # fmt: skip
    if not isinstance(about, dict) or about.get("name") != "onnxruntime-web":
        raise UserError(f"{path} is the npm package of something else than onnxruntime-web: {HOW_TO}.")
    return found


def _read(path: Path, inside: str) -> bytes:
    if path.is_dir():
        check_regular(path / inside, LARGEST)
        return (path / inside).read_bytes()
    check_regular(path, LARGEST)
    with tarfile.open(path) as archive:
        member = archive.getmember(f"package/{inside}")
        file = archive.extractfile(member) if member.isreg() and member.size <= LARGEST else None
        if file is None:
            raise ValueError(f"{inside} is not a regular file")
        return file.read()
