"""Image features for the Fréchet distance between their distributions."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.config.user_code import describe_error, import_file
from jaxvae.errors import UserError, suggest

Extract = Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n f"]]

BATCH_SIZE = 64
BLOCKS_PER_SIDE = 8  # Along each side of an image.


class Features(NamedTuple):
    """A feature extractor, which maps each image to f numbers; `description` is reported along with its distances.

    `smallest_side` in pixels and `channels` (None: any) are those of the images that it takes.
    """

    name: str
    description: str
    extract: Extract
    smallest_side: int = 1
    channels: tuple[int, ...] | None = None

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raises UserError unless images of this shape, height, width and channels, have these features."""
        if min(shape[:2]) < self.smallest_side or (self.channels is not None and shape[2] not in self.channels):
            channels = "" if self.channels is None else f" and {' or '.join(map(str, self.channels))} channels"
            raise UserError(
                f"features {self.name!r} need images of at least {self.smallest_side} pixels a side{channels}, but "
                f"these have the shape {shape}; use --features pixels."
            )


def build_features(name: str) -> Features:
    """Builds the features "pixels", "squeeze", "inception" (those of FID) or "FILE.py:FUNCTION", a user's function.

    The function is called once with all images, uint8 [n, h, w, c] with c 1 or 3, and returns numbers [n, f]. Its file
    is executed as Python code.

    Raises:
        UserError: for an unknown name, a file or function that is missing or cannot be read, or for "squeeze" or
            "inception" if the network's weights are unavailable. `extract` raises it if the function returns a
            result of the wrong type or shape.
    """
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(name, Path(path), function)
    if name.endswith(".py"):
        raise UserError(f"features {name!r} do not name a function; use {name}:FUNCTION.")
    known = {"pixels": _pixels, "squeeze": _squeeze, "inception": _inception}
    if name not in known:
        raise UserError(f"unknown features {name!r}; {suggest(name, [*known, 'FILE.py:FUNCTION'])}")
    return known[name]()


def _pixels() -> Features:
    def extract(images: np.ndarray) -> np.ndarray:
        rows, columns = (_block_weights(size) for size in images.shape[1:3])
        blocks = np.einsum("ih,nhwc,jw->nijc", rows, images, columns, optimize=True)
        return blocks.reshape(len(images), -1) / 255.0

    description = (
        f"means of {BLOCKS_PER_SIDE} x {BLOCKS_PER_SIDE} blocks of pixels in [0, 1]: sensitive only to colours and"
        " coarse shapes; not the standard FID"
    )
    return Features("pixels", description, _in_batches(extract))


def _block_weights(size: int) -> Float[np.ndarray, "blocks size"]:
    """Returns the weight of each pixel in each block along a side: exact areas, also if 8 does not divide the side."""
    edges, pixels = np.arange(BLOCKS_PER_SIDE + 1) * size / BLOCKS_PER_SIDE, np.arange(size)
    overlaps = np.minimum(edges[1:, None], pixels[None] + 1) - np.maximum(edges[:-1, None], pixels[None])
    return np.maximum(overlaps, 0.0) * BLOCKS_PER_SIDE / size


def _squeeze() -> Features:
    """Builds the mean over positions of the last features [512] of SqueezeNet."""
    # Imported here, so that an unknown name is refused without JAX.
    import jax

    from jaxvae.data.pixels import scale
    from jaxvae.perceptual.squeezenet import SMALLEST_SIDE, squeezenet_features
    from jaxvae.perceptual.weights import DESCRIPTION, load_squeezenet

    params = load_squeezenet()
    last = jax.jit(lambda params, images: squeezenet_features(params, scale(images))["fire9"].mean(axis=(1, 2)))
    about = f"last features of {DESCRIPTION}, in the mean over positions: not the network of FID"
    return Features(
        "squeeze", about, _in_batches(lambda images: np.asarray(last(params, images))), SMALLEST_SIDE, (1, 3)
    )


def _inception() -> Features:
    """Builds the last pooling layer [2048] of the FID network (Heusel et al. 2017), as ported by torch-fidelity."""
    try:
        import torch
        import torch_fidelity
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        from torch_fidelity.utils import create_feature_extractor
    except (ImportError, RuntimeError) as error:  # A torchvision built for another torch raises RuntimeError.
        raise UserError(
            f"features 'inception' require torch-fidelity, which cannot be imported ({error});"
            " install it with pip install 'jaxvae[fid]'."
        ) from error
    cuda = torch.cuda.is_available()
    try:
        network = create_feature_extractor("inception-v3-compat", ["2048"], cuda=cuda, verbose=False)
    except Exception as error:  # Without a network an OSError, but torch raises various errors for a damaged file.
        file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(URL_INCEPTION_V3).name)
        raise UserError(
            f"cannot load the weights of features 'inception' ({type(error).__name__}: {error});"
            f" delete {file} if it is damaged, or download it manually from {URL_INCEPTION_V3}."
        ) from error

    def extract(images: np.ndarray) -> np.ndarray:
        # torch-fidelity expects 8-bit RGB [n, 3, h, w] and resizes it to 299 x 299 as TensorFlow 1 did.
        rgb = np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2)
        batch = torch.from_numpy(np.array(rgb, order="C"))
        with torch.inference_mode():
            return network(batch.cuda() if cuda else batch)[0].cpu().numpy()

    version = torch_fidelity.__version__
    return Features(
        "inception", f"Inception-v3, layer 2048, of torch-fidelity {version}", _in_batches(extract), channels=(1, 3)
    )


def _from_file(name: str, path: Path, function: str) -> Features:
    if not path.is_file():
        raise UserError(f"features {name!r} require the file {path}, which does not exist.")
    defined = vars(import_file(path, "features file"))
    features = defined.get(function)
    if not callable(features):
        functions = [key for key, value in defined.items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{path} does not define a function {function!r}; {suggest(function, functions)}")

    def extract(images: np.ndarray) -> np.ndarray:
        try:
            result = features(images)
        except (Exception, SystemExit) as error:  # Whatever the user's code raises is about the user's code.
            raise UserError(f"{name} cannot be computed: {describe_error(error)}.") from error
        try:
            rows = np.asarray(result, np.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"{name} returned a {type(result).__name__} that is not an array of numbers ({error});"
                f" expected numbers of shape ({len(images)}, f)."
            ) from error
        if rows.ndim != 2 or len(rows) != len(images) or rows.shape[1] == 0:
            raise UserError(
                f"{name} returned shape {rows.shape} for {len(images)} images; expected ({len(images)}, f)."
            )
        bad = np.count_nonzero(~np.isfinite(rows).all(axis=1))
        if bad:
            raise UserError(f"{name} returned numbers that are not finite for {bad} of {len(images)} images.")
        return rows

    return Features(name, f"the function {function} of {path}", extract)


def _in_batches(extract: Extract) -> Extract:
    """Applies `extract` in batches of 64: activations, or all images as floats, may not fit into memory."""
    return lambda images: np.concatenate(
        [extract(images[i : i + BATCH_SIZE]) for i in range(0, len(images), BATCH_SIZE)]
    )
