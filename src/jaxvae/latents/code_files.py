"""Codes on disk: an .npz of plain arrays, or a Parquet table; nothing is pickled.

mean                float32 [n, ...]   in the shape of a code, or rows [n, d] where a code is made of several arrays
standard_deviation  float32 [n, ...]   where there is one
names               str [n]            test:12, or a path
attributes          int16 [n, a]       with attribute_names [a], where the pictures have some
code_mean, code_standard_deviation     what mean and standard_deviation were standardised with, where they were
about               JSON               run, step, data, classes

A Parquet table has a row for each picture, lists in `mean` and `standard_deviation`, a column for each attribute, and
the rest in its metadata.
"""

import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.codes import Code, CodeStatistics, flatten, unflatten
from jaxvae.errors import UserError
from jaxvae.latents.encoding import Encoded
from jaxvae.system.files import atomic_write, write_arrays


class SavedCodes(NamedTuple):
    """Codes as the model makes them [n, ...], and the name of each, its number where the file has no names."""

    mean: Code
    names: tuple[str, ...]


def write_codes(path: Path, encoded: Encoded, about: dict[str, Any]) -> None:
    """Writes a file of the kind that its suffix says; `UserError` where a package is missing or the disk refuses."""
    about = {**about, "standardized": encoded.statistics is not None, "classes": encoded.classes}
    if path.suffix == ".parquet":
        _write_parquet(path, encoded, about)
        return
    arrays = {"names": np.asarray(encoded.names, np.str_), "mean": _array(encoded.mean)}
    if encoded.standard_deviation is not None:
        arrays["standard_deviation"] = _array(encoded.standard_deviation)
    if encoded.attributes is not None:
        arrays |= {"attributes": encoded.attributes, "attribute_names": np.asarray(encoded.attribute_names, np.str_)}
    if encoded.statistics is not None:
        arrays |= {f"code_{name}": _one(value) for name, value in encoded.statistics._asdict().items()}
    write_arrays(path, {**arrays, "about": np.asarray(json.dumps(about))})


def require_parquet() -> tuple[Any, Any]:
    """pyarrow and its part for Parquet; `UserError` that names the extra where it is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"a Parquet file needs pyarrow, which cannot be imported ({error}); pip install 'jaxvae[parquet]' brings "
            "it, and an .npz file needs nothing."
        ) from error
    return pyarrow, pyarrow.parquet


def read_codes(path: Path, like: Code) -> SavedCodes:
    """The codes of an .npz file that `write_codes`, or anyone, wrote, with a standardisation undone.

    Args:
        path: the file; of its arrays `mean` alone must be there.
        like: a pytree of the shape of one code of the model that is to decode them.

    Raises:
        UserError: for a file that is missing, damaged or of another kind, and codes of another shape.
    """
    arrays = _read(path)
    if "mean" not in arrays:
        raise UserError(f"{path} holds no array 'mean'; python -m jaxvae.encode writes such files.")
    mean = _code(arrays["mean"], like, path)
    scales = [f"code_{field}" for field in CodeStatistics._fields]
    there = [name for name in scales if name in arrays]
    if there and there != scales:
        raise UserError(f"{path} holds {there[0]} alone; standardised codes need {' and '.join(scales)}.")
    if there:
        scale = (_code(arrays[name][None], like, path) for name in scales)
        mean = CodeStatistics(*(jax.tree.map(lambda leaf: leaf[0], each) for each in scale)).restored(mean)
    names = arrays.get("names")
    count = len(arrays["mean"])
    return SavedCodes(mean, tuple(map(str, range(count) if names is None or names.shape != (count,) else names)))


def run_named_in(path: Path) -> Path | None:
    """The run whose codes a file says it holds, if it says so and the run is still there."""
    about = str(_read(path).get("about", "{}"))
    try:
        run = Path(json.loads(about)["run"])
    except (ValueError, KeyError, TypeError):
        return None
    return run if run.is_dir() else None


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        # Opened here: NumPy would leave a file open that proves to be no archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}; python -m jaxvae.encode writes one.") from error
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read as an .npz file of plain arrays; python -m jaxvae.encode writes such files."
        ) from error


def _code(array: np.ndarray, like: Code, path: Path) -> Code:
    """An array as codes [n, ...]."""
    leaves = jax.tree.leaves(like)
    units = sum(int(np.prod(leaf.shape)) for leaf in leaves)
    fitting = {(units,), *(leaf.shape for leaf in leaves if len(leaves) == 1)}
    if array.shape[1:] not in fitting or array.dtype.kind not in "fiu":
        raise UserError(
            f"{path} holds codes of shape {array.shape[1:]} ({array.dtype}), but this model has codes of shape "
            f"{' or '.join(map(str, sorted(fitting, key=len, reverse=True)))}."
        )
    if len(array) == 0 or not np.isfinite(array).all():
        raise UserError(f"{path} holds {'no codes' if len(array) == 0 else 'numbers that are not finite'}.")
    return unflatten(jnp.asarray(array.reshape(len(array), units), jnp.float32), like)


def _array(code: Code) -> np.ndarray:
    leaves = jax.tree.leaves(code)
    return np.asarray(leaves[0] if len(leaves) == 1 else flatten(code))


def _one(code: Code) -> np.ndarray:
    return _array(jax.tree.map(lambda leaf: np.asarray(leaf)[None], code))[0]


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
            columns[f"attribute_{name}"] = pyarrow.array(values)  # A prefix, for one may be called `name` or `mean`.
    about = {**about, "code_shape": list(_array(encoded.mean).shape[1:])}
    if encoded.statistics is not None:
        about |= {f"code_{name}": _one(value).ravel().tolist() for name, value in encoded.statistics._asdict().items()}
    table = pyarrow.table(columns).replace_schema_metadata({"jaxvae": json.dumps(about)})
    with atomic_write(path) as file:
        parquet.write_table(table, file)
