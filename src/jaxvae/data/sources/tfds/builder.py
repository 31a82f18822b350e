"""Adapts TFDS builders to run without TensorFlow, and turns their failures into readable errors."""

import functools
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jaxvae.data.sources.tfds.array_formats import encode_images, reader_for
from jaxvae.data.sources.tfds.files import WHERE_TO_GET, RawFiles, download, file_name, find_in_folder
from jaxvae.errors import UserError


def without_tensorflow(cls: Any, folder: Path | None, work: Path, stack: ExitStack) -> Any:
    """Returns a subclass of a TFDS builder that finds its files and encodes its images without TensorFlow.

    Args:
        cls: the builder class.
        folder: where the downloaded files are; None downloads them.
        work: an empty folder to unpack archives into.
        stack: closes the files that stay open.
    """

    @functools.wraps(cls._split_generators)
    def split_generators(self: Any, manager: Any, *args: Any, **kwargs: Any) -> Any:
        def manual_dir() -> Path:
            if folder is not None:
                return folder
            how = " ".join((self.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
            raise UserError(f"{cls.name} must be downloaded manually: {how} {_raw_flag_hint()}")

        published = self.url_infos or {}
        homepage = self.info.homepage or "its home page"
        locate = download(manager) if folder is None else find_in_folder(cls.name, folder, published, homepage)
        return cls._split_generators(self, RawFiles(locate, manual_dir, work, stack), *args, **kwargs)

    read = reader_for(cls) or cls._generate_examples

    @functools.wraps(cls._generate_examples)
    def generate_examples(self: Any, *args: Any, **kwargs: Any) -> Any:
        examples = read(self, *args, **kwargs)
        # An Apache Beam pipeline is not an iterator.
        return encode_images(examples) if isinstance(examples, Iterator) else examples

    # TFDS uses these three to find a builder's published checksums and description, and registers every subclass that
    # does not opt out.
    body = {"__module__": cls.__module__, "pkg_dir_path": cls.pkg_dir_path, "name": cls.name}
    body |= {"_split_generators": split_generators, "_generate_examples": generate_examples}
    return types.new_class(cls.__name__, (cls,), {"skip_registration": True}, lambda space: space.update(body))


@contextmanager
def report_failures(cls: Any, folder: Path | None) -> Iterator[None]:
    """Turns the failures of a builder into a UserError with a remedy."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        if "tensorflow" in str(error.name or error).lower():
            raise UserError(
                f"preparing {cls.name} requires TensorFlow, this once: pip install 'jaxvae[tensorflow]'."
            ) from error
        raise UserError(f"preparing {cls.name} requires another package ({_first_line(error)}).") from error
    except Exception as error:  # Hundreds of third-party builders raise whatever they like.
        if folder is not None:
            raise UserError(
                f"cannot prepare {cls.name} from the files in {folder} ({_first_line(error)}); "
                "one of them may be incomplete or a different version."
            ) from error
        published = cls.url_infos or {}
        files = ", ".join(file_name(url, published) for url in list(published)[:8]) or "its files"
        where = f"download {files} manually, see https://www.tensorflow.org/datasets/catalog/{cls.name}."
        raise UserError(
            f"cannot download or prepare {cls.name} ({_first_line(error)}): {WHERE_TO_GET.get(cls.name, where)} "
            f"{_raw_flag_hint()}"
        ) from error


def _raw_flag_hint() -> str:
    return "Then pass their folder as --data.raw DIR (RAW=DIR with make)."


def _first_line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text if len(text) <= 200 else text[:199] + '…'}".rstrip(".: ")
