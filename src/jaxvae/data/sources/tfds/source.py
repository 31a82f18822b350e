"""Any image set of TensorFlow Datasets (TFDS) by its name, downloaded or from hand-downloaded files."""

import difflib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, fit, opened
from jaxvae.data.sources.base import Example, Source
from jaxvae.data.sources.tfds.builder import failures_told, without_tensorflow
from jaxvae.data.sources.tfds.features import Chosen, choose
from jaxvae.data.splits import Part, carve, told
from jaxvae.errors import UserError, nearest
from jaxvae.system.files import named_path, scratch
from jaxvae.system.progress import progress

ALIASES = {"celeba": "celeb_a"}


OFTEN_WANTED = ("avatars", "folder", "celeb_a", "mnist", "fashion_mnist", "cifar10")


# The only format of TFDS that is read without TensorFlow.
FORMAT = "array_record"


def tfds_source(full_name: str, raw: str | None, config: DataConfig) -> Source:
    """The TFDS set `full_name` (`NAME` or `NAME/VARIANT`), from the files in the folder `raw` if it is given.

    Truth values and class labels become attributes; what else there is beside the picture is dropped. A download is
    kept where TFDS keeps it; of a set made from hand-downloaded files nothing stays but the prepared format.

    Raises `UserError` for a name that TFDS does not know, a set without pictures, files that are missing or damaged,
    a download that fails, and a builder that needs TensorFlow where there is none.
    """
    name, _, variant = full_name.partition("/")
    name = ALIASES.get(name, name)
    cls = _builder_class(name, variant, full_name)
    folder = _folder(raw)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    # TFDS prints to standard output, among other things a page when it misses TensorFlow.
    with ExitStack() as stack, redirect_stdout(io.StringIO()):
        work = stack.enter_context(scratch(Path(config.root) / f".{name}.tfds"))
        with failures_told(cls, folder):
            builder, downloads = _builder(without_tensorflow(cls, folder, work, stack), variant, work, folder)
            choose(name, builder.info.features)  # Complains before anything is downloaded.
            builder.download_and_prepare(download_dir=downloads)
        # Chosen once more: some builders learn the names of their classes from the files.
        return _source(config, builder, choose(name, builder.info.features), stack.pop_all())


def _builder_class(name: str, variant: str, asked: str) -> Any:
    try:
        if ":" in name:  # Builders of others, whose code TFDS would download and run.
            raise ValueError(name)
        cls = tfds.builder_cls(name)
    except ValueError as error:  # Names that cannot be one, too.
        known = ["avatars", "folder", *tfds.list_builders(with_community_datasets=False)]
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        raise UserError(
            f"there is no data set, folder or array file {asked!r}; {nearest(name, close or OFTEN_WANTED)}"
        ) from error
    if variant and variant not in cls.builder_configs:
        raise UserError(f"{name} has no variant {variant!r}; {nearest(variant, cls.builder_configs)}")
    return cls


def _folder(raw: str | None) -> Path | None:
    if raw is None:
        return None
    folder = named_path(raw)
    if not os.path.isdir(folder):
        raise UserError(f"data.raw is {raw!r}, but there is no such folder.")
    return folder.resolve()


def _builder(cls: Any, variant: str, work: Path, folder: Path | None) -> tuple[Any, str | None]:
    """The builder, and where it is to keep its downloads; None is where TFDS does."""
    options = {"config": variant or None, "file_format": FORMAT}
    if folder is not None:
        return cls(data_dir=str(work), **options), str(work / "downloads")
    try:
        return cls(**options), None
    except ValueError:
        # TFDS has it already, in a format that only TensorFlow reads: make it anew from the same downloads.
        return cls(data_dir=str(work), **options), str(Path(tfds.core.constants.DATA_DIR).expanduser() / "downloads")


def _source(config: DataConfig, builder: Any, chosen: Chosen, stack: ExitStack) -> Source:
    given = {split: info.num_examples for split, info in builder.info.splits.items()}
    # Some sets have one split only, under another name.
    train = "train" if "train" in given else max(given, key=lambda split: given[split])
    others = {split: given[split] for split in ("validation", "test") if split in given and split != train}
    parts = carve({"train": given[train], **others}, builder.name)

    def read(split: str, part: Part) -> Iterator[Example]:
        records = builder.as_data_source(
            train if part.of == "train" else part.of, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
        )
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            file, attributes = chosen.example(records[int(i)])
            try:
                with opened(io.BytesIO(file)) as image:
                    picture = fit(image, crop=config.crop, size=config.size, color=config.color)
            except UNREADABLE as error:
                raise UserError(f"picture {i} of {part.of} in {builder.name} cannot be read ({error}).") from error
            yield Example(picture, attributes)

    return Source(
        attributes=tuple(column.name for column in chosen.columns),
        classes={column.name: column.classes for column in chosen.columns if column.classes},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={
            "tfds": builder.info.full_name,
            "homepage": builder.info.homepage,
            "split_names": list(given),
            "splits": told(parts),
        },
        close=stack.close,
    )
