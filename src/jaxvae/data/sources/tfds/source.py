"""The source of TensorFlow Datasets (TFDS) by name, downloaded or from local files."""

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
from jaxvae.data.images import UNREADABLE, crop_and_resize, open_image
from jaxvae.data.sources.base import Example, Source
from jaxvae.data.sources.tfds.builder import report_failures, without_tensorflow
from jaxvae.data.sources.tfds.features import Selection, select_features
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.errors import UserError, suggest
from jaxvae.system.files import expand_user, temp_dir
from jaxvae.system.progress import progress

ALIASES = {"celeba": "celeb_a"}
SUGGESTIONS = ("avatars", "folder", "celeb_a", "mnist", "fashion_mnist", "cifar10")
# The only TFDS file format that can be read without TensorFlow.
FORMAT = "array_record"


def tfds_source(full_name: str, raw: str | None, config: DataConfig) -> Source:
    """Reads the TFDS dataset `full_name` (`NAME` or `NAME/VARIANT`), from files in `raw` if that is set.

    Booleans and class labels become attributes; other features besides the image are dropped. Downloads stay in TFDS's
    cache; a dataset built from local files leaves nothing but the prepared format.

    Raises:
        UserError: for an unknown name, a dataset without images, missing or damaged files, a failed download, or a
            builder that requires TensorFlow if that is not installed.
    """
    name, variant, cls, folder = _named(full_name, raw)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    # TFDS prints to standard output, including a page of text if TensorFlow is missing.
    with ExitStack() as stack, redirect_stdout(io.StringIO()):
        work = stack.enter_context(temp_dir(Path(config.root) / f".{name}.tfds"))
        with report_failures(cls, folder):
            builder, downloads = _builder(without_tensorflow(cls, folder, work, stack), variant, work, folder)
            select_features(name, builder.info.features)  # Fails before anything is downloaded.
            builder.download_and_prepare(download_dir=downloads)
        # Selected again: some builders read their class names from the files.
        return _source(config, builder, select_features(name, builder.info.features), stack.pop_all())


def refuse_unknown(full_name: str, raw: str | None) -> None:
    """Raises UserError for a name that TFDS does not know, or a folder that does not exist."""
    _named(full_name, raw)


def _named(full_name: str, raw: str | None) -> tuple[str, str, Any, Path | None]:
    """Returns name, variant, builder class and folder."""
    name, _, variant = full_name.partition("/")
    name = ALIASES.get(name, name)
    return name, variant, _builder_class(name, variant, full_name), _folder(raw)


def _builder_class(name: str, variant: str, requested: str) -> Any:
    try:
        if ":" in name:  # Community builders, whose code TFDS would download and run.
            raise ValueError(name)
        cls = tfds.builder_cls(name)
    except ValueError as error:  # Also for syntactically invalid names.
        known = ["avatars", "folder", *tfds.list_builders(with_community_datasets=False)]
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        raise UserError(
            f"no dataset, folder or array file {requested!r}; {suggest(name, close or SUGGESTIONS)}"
        ) from error
    if variant and variant not in cls.builder_configs:
        raise UserError(f"{name} has no variant {variant!r}; {suggest(variant, cls.builder_configs)}")
    return cls


def _folder(raw: str | None) -> Path | None:
    if raw is None:
        return None
    folder = expand_user(raw)
    if not os.path.isdir(folder):
        raise UserError(f"data.raw is {raw!r}, which is not a folder.")
    return folder.resolve()


def _builder(cls: Any, variant: str, work: Path, folder: Path | None) -> tuple[Any, str | None]:
    """Returns the builder and its download folder; None is the default of TFDS."""
    options = {"config": variant or None, "file_format": FORMAT}
    if folder is not None:
        return cls(data_dir=str(work), **options), str(work / "downloads")
    try:
        return cls(**options), None
    except ValueError:
        # TFDS already has it in a format that requires TensorFlow: build it again from the same downloads.
        return cls(data_dir=str(work), **options), str(Path(tfds.core.constants.DATA_DIR).expanduser() / "downloads")


def _source(config: DataConfig, builder: Any, selection: Selection, stack: ExitStack) -> Source:
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    # Some datasets have only one split, under another name.
    train = "train" if "train" in counts else max(counts, key=lambda split: counts[split])
    others = {split: counts[split] for split in ("validation", "test") if split in counts and split != train}
    parts = make_splits({"train": counts[train], **others}, builder.name)

    def read(split: str, part: Part) -> Iterator[Example]:
        records = builder.as_data_source(
            train if part.source_split == "train" else part.source_split,
            deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
        )
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            file, attributes = selection.example(records[int(i)])
            try:
                with open_image(io.BytesIO(file)) as image:
                    array = crop_and_resize(image, crop=config.crop, size=config.size, color=config.color)
            except UNREADABLE as error:
                raise UserError(
                    f"image {i} of {part.source_split} in {builder.name} cannot be read ({error})."
                ) from error
            yield Example(array, attributes)

    return Source(
        attributes=tuple(column.name for column in selection.columns),
        classes={column.name: column.classes for column in selection.columns if column.classes},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={
            "tfds": builder.info.full_name,
            "homepage": builder.info.homepage,
            "split_names": list(counts),
            "splits": describe_splits(parts),
        },
        close=stack.close,
    )
