"""Codes on disk, as an .npz of plain arrays or a Parquet table; nothing is pickled.

mean                float32 [n, ...]   shaped like a code, or rows [n, d] if a code consists of several arrays
standard_deviation  float32 [n, ...]   omitted for models without posterior variances
names               str [n]            test:12, or a path
attributes          int16 [n, a]       with attribute_names [a], if the images have attributes
code_mean, code_standard_deviation     the statistics used to standardise mean and standard_deviation, if any
about               JSON               run, step, data, classes

A Parquet table has one row per image, lists in `mean` and `standard_deviation`, one column per attribute, and
everything else in its metadata.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.codes import Code, CodeStatistics, flatten, unflatten
from jaxvae.data.numpy_files import UNREADABLE, memory_map, read_npz
from jaxvae.errors import UserError
from jaxvae.latents.encoding import Encoded
from jaxvae.latents.latent_folder import is_latent_folder, read_description, restore_latents
from jaxvae.system.files import atomic_write, write_arrays


class SavedCodes(NamedTuple):
    """Codes in the model's shape [n, ...] and the name of each (its index if the file has no names)."""

    mean: Code
    names: tuple[str, ...]


def write_codes(path: Path, encoded: Encoded, about: dict[str, Any]) -> None:
    """Writes codes as .npz or .parquet, depending on the suffix of `path`.

    Raises:
        UserError: If pyarrow is missing or the file cannot be written.
    """
    about = {**about, "standardized": encoded.statistics is not None, "classes": encoded.classes}
    if path.suffix == ".parquet":
        _write_parquet(path, encoded, about)
        return
    arrays = {"names": np.asarray(encoded.names, np.str_), "mean": _to_array(encoded.mean)}
    if encoded.standard_deviation is not None:
        arrays["standard_deviation"] = _to_array(encoded.standard_deviation)
    if encoded.attributes is not None:
        arrays |= {"attributes": encoded.attributes, "attribute_names": np.asarray(encoded.attribute_names, np.str_)}
    if encoded.statistics is not None:
        arrays |= {f"code_{name}": _to_array_of_one(value) for name, value in encoded.statistics._asdict().items()}
    write_arrays(path, {**arrays, "about": np.asarray(json.dumps(about))})


def require_parquet() -> tuple[Any, Any]:
    """Imports pyarrow and pyarrow.parquet; raises UserError naming the extra if they are missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"writing Parquet needs pyarrow, which cannot be imported ({error}); pip install 'jaxvae[parquet]', "
            "or write an .npz file."
        ) from error
    return pyarrow, pyarrow.parquet


def read_codes(path: Path, like: Code, levels: tuple[str, ...] = ()) -> SavedCodes:
    """Reads codes from an .npz or .npy file, written by `write_codes` or anything else, and undoes standardisation.

    Of a file in a folder of latents the scaling is undone that latents.json describes.

    Args:
        path: The file. Only the array `mean` is required; a file of one array needs no name for it.
        like: A pytree with the shape of one code of the model that will decode them.
        levels: Names of the model's levels. A file may hold the coarsest ones of a hierarchy alone; those below are
            then at their prior mean, 0.

    Raises:
        UserError: If the file is missing, damaged or not an .npz file, or if its codes have another shape.
    """
    return _codes_of(_read(path), like, path, levels)


def saved_code(which: str, like: Code, levels: tuple[str, ...] = ()) -> Code | None:
    """Returns one code of a file, named FILE:NUMBER as in `codes.npz:3`; None if `which` names no such file.

    Args:
        which: What the user named, perhaps an image.
        like: A pytree with the shape of one code of the model.
        levels: As for `read_codes`.

    Raises:
        UserError: If the file holds no codes of this model, or has fewer.
    """
    name, _, number = which.rpartition(":")
    if Path(name).suffix.lower() not in (".npz", ".npy") or not number.isdecimal():
        return None
    arrays, row = _read(Path(name)), int(number)
    count = len(arrays["mean"]) if "mean" in arrays and arrays["mean"].ndim else 0
    if count and row >= count:
        raise UserError(f"{which} does not exist; {name} has codes 0 to {count - 1}.")
    # Cut first: the levels that a file lacks are filled in.
    one = {key: array[row : row + 1] if key == "mean" and count else array for key, array in arrays.items()}
    return jax.tree.map(lambda leaf: leaf[0], _codes_of(one, like, Path(name), levels).mean)


def _codes_of(arrays: dict[str, np.ndarray], like: Code, path: Path, levels: tuple[str, ...]) -> SavedCodes:
    if "mean" not in arrays:
        raise UserError(
            f"{path} has the arrays {', '.join(arrays) or 'none'}; expected codes named 'mean', as python -m "
            "jaxvae.encode writes them, or a single array."
        )
    mean = _to_code(arrays["mean"], like, path, levels)
    scales = [f"code_{field}" for field in CodeStatistics._fields]
    present = [name for name in scales if name in arrays]
    if present and present != scales:
        raise UserError(f"{path} has only {present[0]}; standardised codes need {' and '.join(scales)}.")
    if present:
        scale = (_to_code(arrays[name][None], like, path, levels) for name in scales)
        mean = CodeStatistics(*(jax.tree.map(lambda leaf: leaf[0], each) for each in scale)).restore(mean)
    names = arrays.get("names")
    count = len(arrays["mean"])
    return SavedCodes(mean, tuple(map(str, range(count) if names is None or names.shape != (count,) else names)))


def source_run(path: Path) -> Path | None:
    """Returns the run that the codes in a file came from, or None if it is not recorded or no longer exists."""
    if path.suffix == ".npy" and is_latent_folder(path.parent):
        text = json.dumps(read_description(path.parent))
    else:
        text = str(_read(path).get("about", "{}"))
    try:
        run = Path(json.loads(text)["run"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return run if run.is_dir() else None


def _read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file; the one array of an .npy file, or of an archive that has one, is `mean`."""
    try:
        arrays = {"mean": memory_map(path)} if path.suffix == ".npy" else read_npz(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; create it with python -m jaxvae.encode.") from error
    except UNREADABLE as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is not a readable .npz file of plain arrays ({what}); create one with python -m jaxvae.encode."
        ) from error
    if path.suffix == ".npy" and is_latent_folder(path.parent):
        codes, names = restore_latents(path, arrays["mean"])
        return {"mean": codes, "names": np.asarray(names, np.str_)}
    return {"mean": next(iter(arrays.values()))} if len(arrays) == 1 else arrays


def _to_code(array: np.ndarray, like: Code, path: Path, levels: tuple[str, ...] = ()) -> Code:
    """Converts an array to codes [n, ...]."""
    leaves = jax.tree.leaves(like)
    sizes = np.cumsum([int(np.prod(leaf.shape)) for leaf in leaves]).tolist()
    units = sizes[-1]
    fitting = {(units,), *(leaf.shape for leaf in leaves if len(leaves) == 1)}
    fitting |= {(size,) for size in sizes if levels}
    if array.shape[1:] not in fitting or array.dtype.kind not in "fiu":
        raise UserError(
            f"{path} contains codes of shape {array.shape[1:]} ({array.dtype}), but the codes of this model have shape "
            f"{' or '.join(map(str, sorted(fitting, key=len, reverse=True)))}."
        )
    if len(array) == 0 or not np.isfinite(array).all():
        raise UserError(f"{path} contains {'no codes' if len(array) == 0 else 'values that are not finite'}.")
    rows = np.asarray(array, np.float32).reshape(len(array), -1)
    missing = np.zeros((len(rows), units - rows.shape[1]), np.float32)
    return unflatten(jnp.asarray(np.concatenate([rows, missing], axis=1)), like)


def _to_array(code: Code) -> np.ndarray:
    leaves = jax.tree.leaves(code)
    return np.asarray(leaves[0] if len(leaves) == 1 else flatten(code))


def _to_array_of_one(code: Code) -> np.ndarray:
    return _to_array(jax.tree.map(lambda leaf: np.asarray(leaf)[None], code))[0]


def _write_parquet(path: Path, encoded: Encoded, about: dict[str, Any]) -> None:
    pyarrow, parquet = require_parquet()

    def lists(code: Code) -> Any:
        rows = np.asarray(flatten(code))
        return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), rows.shape[1])

    columns = {"name": pyarrow.array(encoded.names), "mean": lists(encoded.mean)}
    if encoded.standard_deviation is not None:
        columns["standard_deviation"] = lists(encoded.standard_deviation)
    if encoded.attributes is not None:
        for name, values in zip(encoded.attribute_names, encoded.attributes.T, strict=True):
            columns[f"attribute_{name}"] = pyarrow.array(
                values
            )  # Prefixed because an attribute may be called `name` or `mean`.
    about = {**about, "code_shape": list(_to_array(encoded.mean).shape[1:])}
    if encoded.statistics is not None:
        about |= {
            f"code_{name}": _to_array_of_one(value).ravel().tolist()
            for name, value in encoded.statistics._asdict().items()
        }
    table = pyarrow.table(columns).replace_schema_metadata({"jaxvae": json.dumps(about)})
    with atomic_write(path) as file:
        parquet.write_table(table, file)
