"""Features of pictures, between whose distributions the Fréchet distance is taken."""

import runpy
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.errors import UserError, suggest

Extract = Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n f"]]

BATCH_SIZE = 64


BLOCKS_PER_SIDE = 8  # Along each side of a picture.


class Features(NamedTuple):
    """A way to describe each picture by f numbers; `description` goes beside the distances measured with it."""

    name: str
    description: str
    extract: Extract


def build_features(name: str) -> Features:
    """The features called "pixels", "inception" (those of FID) or "FILE.py:FUNCTION", a function of the user's.

    The function is called once, with all pictures, uint8 [n, h, w, c] with c 1 or 3, and returns numbers [n, f]. Its
    file is Python that the user asks to run.

    Raises UserError for another name, for a file or function that is missing or cannot be read, for "inception"
    where torch-fidelity or the network's weights cannot be had; `extract` for a function's result of a wrong kind.
    """
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(name, Path(path), function)
    if name.endswith(".py"):
        raise UserError(f"features {name!r} name no function; give {name}:FUNCTION.")
    known = {"pixels": _pixels, "inception": _inception}
    if name not in known:
        raise UserError(f"there are no features {name!r}; {suggest(name, [*known, 'FILE.py:FUNCTION'])}")
    return known[name]()


def _pixels() -> Features:
    def extract(images: np.ndarray) -> np.ndarray:
        rows, columns = (_block_weights(size) for size in images.shape[1:3])
        blocks = np.einsum("ih,nhwc,jw->nijc", rows, images, columns, optimize=True)
        return blocks.reshape(len(images), -1) / 255.0

    description = (
        f"means of {BLOCKS_PER_SIDE} x {BLOCKS_PER_SIDE} blocks of pixels in [0, 1]: they see colours and coarse shapes only;"
        " a distance between them is no standard FID"
    )
    return Features("pixels", description, _in_batches(extract))


def _block_weights(size: int) -> Float[np.ndarray, "blocks size"]:
    """How much of each block is of each pixel, along a side: exact areas, for sides that 8 does not divide too."""
    edges, pixels = np.arange(BLOCKS_PER_SIDE + 1) * size / BLOCKS_PER_SIDE, np.arange(size)
    overlaps = np.minimum(edges[1:, None], pixels[None] + 1) - np.maximum(edges[:-1, None], pixels[None])
    return np.maximum(overlaps, 0.0) * BLOCKS_PER_SIDE / size


def _inception() -> Features:
    """The last pooled layer [2048] of the network of FID (Heusel et al. 2017), as torch-fidelity ported it."""
    try:
        import torch
        import torch_fidelity
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        from torch_fidelity.utils import create_feature_extractor
    except (ImportError, RuntimeError) as error:  # A torchvision built for another torch raises RuntimeError.
        raise UserError(
            f"features 'inception' need torch-fidelity, which cannot be imported ({error});"
            " pip install 'jaxvae[fid]' brings it."
        ) from error
    cuda = torch.cuda.is_available()
    try:
        network = create_feature_extractor("inception-v3-compat", ["2048"], cuda=cuda, verbose=False)
    except Exception as error:  # No network is an OSError, but a damaged file makes torch raise whatever it likes.
        file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(URL_INCEPTION_V3).name)
        raise UserError(
            f"the weights of features 'inception' cannot be loaded ({type(error).__name__}: {error});"
            f" delete {file} if it is damaged; where it cannot be downloaded, put {URL_INCEPTION_V3} there by hand."
        ) from error

    def extract(images: np.ndarray) -> np.ndarray:
        # torch-fidelity wants RGB [n, 3, h, w] in 8 bits, and brings it to 299 x 299 as TensorFlow once did.
        rgb = np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2)
        batch = torch.from_numpy(np.array(rgb, order="C"))
        with torch.inference_mode():
            return network(batch.cuda() if cuda else batch)[0].cpu().numpy()

    version = torch_fidelity.__version__
    return Features("inception", f"Inception-v3, layer 2048, of torch-fidelity {version}", _in_batches(extract))


def _from_file(name: str, path: Path, function: str) -> Features:
    if not path.is_file():
        raise UserError(f"features {name!r} need the file {path}, which does not exist.")
    try:
        defined = runpy.run_path(str(path))
    except (SyntaxError, NameError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise UserError(f"the features file {path} cannot be read: {type(error).__name__}: {error}.") from error
    features = defined.get(function)
    if not callable(features):
        functions = [each for each, value in defined.items() if callable(value) and not each.startswith("_")]
        raise UserError(f"{path} defines no function {function!r}; {suggest(function, functions)}")

    def extract(images: np.ndarray) -> np.ndarray:
        result = features(images)
        try:
            rows = np.asarray(result, np.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"{name} returned a {type(result).__name__} that is no array of numbers ({error});"
                f" it must return numbers of shape ({len(images)}, f)."
            ) from error
        if rows.ndim != 2 or len(rows) != len(images) or rows.shape[1] == 0:
            raise UserError(
                f"{name} returned shape {rows.shape} for {len(images)} pictures, but must return ({len(images)}, f)."
            )
        bad = np.count_nonzero(~np.isfinite(rows).all(axis=1))
        if bad:
            raise UserError(f"{name} returned numbers that are not finite for {bad} of {len(images)} pictures.")
        return rows

    return Features(name, f"the function {function} of {path}", extract)


def _in_batches(extract: Extract) -> Extract:
    """The same in batches of 64: a network's activations, or floats of all pictures at once, are large."""
    return lambda images: np.concatenate(
        [extract(images[i : i + BATCH_SIZE]) for i in range(0, len(images), BATCH_SIZE)]
    )
