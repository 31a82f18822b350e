"""The data source: where images come from, one kind per `data.source`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvae.config.kinds import Kind
from jaxvae.data.sources.containers.table import format_of_folder, format_of_name
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user

if TYPE_CHECKING:
    from jaxvae.data.config import DataConfig
    from jaxvae.data.sources.base import Source

HUB = "hf:"
ARRAY_SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True, kw_only=True)
class SourceConfig(Kind, family="data.source"):
    """Base of the data sources; a kind of your own overrides `build`."""

    def build(self, config: DataConfig) -> Source:
        """Returns the examples of each split, from which `config` says what to prepare."""
        raise TypeError(f"{type(self).__name__} has no `build` method; a data source must define one.")

    def dataset_name(self) -> str:
        """Returns what the data set is called in recipes and reports."""
        return self.kind

    def title(self) -> str:
        """Returns what folders made from the data set are called."""
        return self.dataset_name()

    def own_files(self) -> str | None:
        """Returns the user's file or folder that the images come from; None where there is none."""
        return None

    def refuse_missing(self, config: DataConfig) -> None:
        """Raises `UserError` if what it names is not there, within moments and without JAX."""
        own = self.own_files()
        if own is not None and not os.path.exists(expand_user(own)):
            self.build(config).close()  # Which says what is missing.

    def recipe(self) -> dict[str, Any]:
        """Returns what the prepared pixels depend on beyond `DataConfig` and the contents of `own_files`, as JSON."""
        return {"name": self.dataset_name(), "raw": self.own_files(), "fields": self.to_json()}

    @classmethod
    def coerce(cls, value: Any, where: str) -> Any:
        """Returns the source itself, or the one that a name or path stands for."""
        return source_named(value) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class Avatars(SourceConfig):
    """Cartoon faces, drawn on this machine, with true attributes."""

    def build(self, config: DataConfig) -> Source:
        """Returns the faces."""
        from jaxvae.data.sources.avatars import avatars

        return avatars(config)

    def recipe(self) -> dict[str, Any]:
        """Returns the name, and how the faces are drawn, on which the last bits of the pixels depend."""
        return {"name": self.kind, "raw": None, "drawn": "in layers"}


@dataclass(frozen=True, kw_only=True)
class Folder(SourceConfig):
    """A folder of images of any size and format."""

    path: str = ""
    """The folder; images in folders below it get the column `label`."""
    attributes: str = ""
    """Table of attributes, whose first column names files; attributes.csv in the folder is found by itself."""

    def build(self, config: DataConfig) -> Source:
        """Returns the images."""
        from jaxvae.data.sources.folder import folder

        return folder(self.path, config, self.attributes)

    def refuse_missing(self, config: DataConfig) -> None:
        """Raises `UserError` if no folder is named, too."""
        if not self.path:
            self.build(config).close()
        super().refuse_missing(config)

    def title(self) -> str:
        """Returns the name of the folder."""
        return _stem(self.path) if self.path else self.kind

    def own_files(self) -> str | None:
        """Returns the folder."""
        return self.path or None

    def recipe(self) -> dict[str, Any]:
        """Returns the folder, resolved, and the table where one is named."""
        return {"name": self.kind, "raw": self.own_files()} | (
            {"attributes": self.attributes} if self.attributes else {}
        )


@dataclass(frozen=True, kw_only=True)
class FileSource(SourceConfig, abstract=True):
    """A source that is one file, or the folder of its files."""

    path: str = ""
    """The file, or the folder of files."""

    def build(self, config: DataConfig) -> Source:
        """Returns the images."""
        from jaxvae.data.sources.containers.source import container

        return container(self.path, config)

    def dataset_name(self) -> str:
        """Returns the path."""
        return self.path

    def title(self) -> str:
        """Returns the name of the file without its suffix."""
        return _stem(self.path)

    def own_files(self) -> str | None:
        """Returns the file or folder."""
        return self.path

    def recipe(self) -> dict[str, Any]:
        """Returns the path as it was given."""
        return {"name": self.path, "raw": None}


@dataclass(frozen=True, kw_only=True)
class Arrays(FileSource):
    """An .npy or .npz file of images."""


@dataclass(frozen=True, kw_only=True)
class Container(FileSource):
    """A file of images of another format: an archive, HDF5, MATLAB, idx, CIFAR's batches, pickles, CSV or Parquet."""


@dataclass(frozen=True, kw_only=True)
class HuggingFace(SourceConfig):
    """A data set of the Hugging Face Hub; `hf:OWNER/NAME` for short."""

    name: str = ""
    """Its name there, OWNER/NAME."""
    variant: str | None = None
    """Its configuration, if it has several."""
    revision: str | None = None
    """Branch, tag or commit; None takes the newest."""

    def build(self, config: DataConfig) -> Source:
        """Returns the images."""
        from jaxvae.data.sources.hugging_face import hugging_face

        return hugging_face(self.name, self.variant, self.revision, config)

    def dataset_name(self) -> str:
        """Returns the short form."""
        return HUB + self.name

    def title(self) -> str:
        """Returns the name without its owner."""
        return _stem(self.name)

    def recipe(self) -> dict[str, Any]:
        """Returns the name, and what chooses among its contents."""
        given = {"variant": self.variant, "revision": self.revision}
        return {"name": self.dataset_name(), "raw": None} | {key: value for key, value in given.items() if value}


@dataclass(frozen=True, kw_only=True)
class TFDS(SourceConfig):
    """A data set of TensorFlow Datasets."""

    name: str = ""
    """Its name there, NAME or NAME/VARIANT."""
    raw: str | None = None
    """Folder of its files, downloaded by hand."""

    def build(self, config: DataConfig) -> Source:
        """Returns the images."""
        if self.raw is not None and is_extracted_celeba(self.name, expand_user(self.raw)):
            from jaxvae.data.sources.folder import folder

            return folder(self.raw, config)
        from jaxvae.data.sources.tfds.source import tfds_source

        return tfds_source(self.name, self.raw, config)

    def refuse_missing(self, config: DataConfig) -> None:
        """Raises `UserError` for a name that TFDS does not know, or a folder that does not exist."""
        from jaxvae.data.sources.tfds.source import refuse_unknown

        refuse_unknown(self.name, self.raw)

    def dataset_name(self) -> str:
        """Returns the name."""
        return self.name

    def title(self) -> str:
        """Returns the name, without slashes."""
        return self.name.replace("/", "-")

    def own_files(self) -> str | None:
        """Returns the folder of downloaded files."""
        return self.raw

    def recipe(self) -> dict[str, Any]:
        """Returns the name and the folder, resolved."""
        return {"name": self.name, "raw": self.raw}


def is_extracted_celeba(name: str, folder: Path) -> bool:
    """Returns whether a folder holds CelebA unpacked, as Kaggle hands it out, and not the archives that TFDS reads.

    Its photographs then lie in img_align_celeba/ (twice nested at Kaggle) next to the tables of attributes.
    """
    tables = (folder / f"list_attr_celeba.{suffix}" for suffix in ("csv", "txt"))
    return (
        name in ("celeb_a", "celeba")
        and os.path.isdir(folder / "img_align_celeba")
        and any(map(os.path.isfile, tables))
    )


def source_named(name: str, raw: str | None = None) -> SourceConfig:
    """Returns the data source that a short name stands for.

    Args:
        name: the name of a kind such as `avatars` or `folder`, the path of a folder or file of images, `hf:` and the
            name of a data set of the Hugging Face Hub, or the name of a TFDS data set.
        raw: folder of hand-downloaded files of a TFDS data set, or the folder of images for `folder`.

    Raises:
        UserError: `name` is empty, or `raw` does not go with it.
    """
    if not name:
        raise UserError("data.source is '', but must be the name of a data set or the path of your own images.")
    if name == Folder.kind:
        return Folder(path=raw or "")
    if name in SourceConfig.kinds and name not in (Arrays.kind, Container.kind, HuggingFace.kind, TFDS.kind):
        if raw is not None:
            raise UserError(f"data.raw is {raw!r}, but {name} needs no files of yours; remove data.raw.")
        kind: SourceConfig = SourceConfig.kinds[name]()
        return kind
    if name.startswith(HUB):
        if raw is not None:
            raise UserError(f"data.raw is {raw!r}, but {name} is downloaded; remove data.raw.")
        return HuggingFace(name=name.removeprefix(HUB))
    path = expand_user(name)
    is_folder = os.path.isdir(path)
    is_path = name.startswith(("/", "./", "../", "~"))
    is_arrays = path.suffix.lower() in ARRAY_SUFFIXES and not is_folder
    is_container = not is_arrays and _is_container(path, is_folder, is_path)
    if not (is_folder or is_arrays or is_container or is_path):
        return TFDS(name=name, raw=raw)
    if raw is not None:
        raise UserError(f"data.raw is {raw!r}, but data.source already names {name}; give one of them.")
    return Arrays(path=name) if is_arrays else Container(path=name) if is_container else Folder(path=name)


def _is_container(path: Path, is_folder: bool, is_path: bool) -> bool:
    if is_folder:
        return format_of_folder(path) is not None
    # A file of any name may be one, if it is given as a path rather than a name that TFDS may have, too.
    return format_of_name(path.name) is not None or (is_path and os.path.exists(path))


def _stem(path: str) -> str:
    return Path(os.path.abspath(expand_user(path))).stem or "run"
