"""The files a TFDS builder asks for: hand-downloaded ones from a folder, or downloaded ones; no TensorFlow either way.

A builder gets its files from the "download manager" that TFDS hands to its `_split_generators`. TFDS's own unpacks
archives with TensorFlow, checks the published checksums and knows no folder of yours; this one stands in for it.
"""

import io
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from etils import epath
from tensorflow_datasets.core.download import extractor, resource

from jaxvae.data.raw_locations import Locate
from jaxvae.errors import UserError


class RawFiles:
    """Stands in for TFDS's download manager.

    Args:
        locate: from the addresses asked for to the paths of their files, in order; `UserError` where there are none.
        manual_dir: the folder of files that have no address.
        work: an empty folder to unpack archives into.
        stack: closes files when the builder is done.
    """

    def __init__(
        self,
        locate: Locate,
        manual_dir: Callable[[], Path],
        work: Path,
        stack: ExitStack,
    ) -> None:
        self._locate, self._manual_dir, self._work, self._stack = locate, manual_dir, work, stack
        self._unpacked = 0

    @property
    def manual_dir(self) -> Any:
        """The folder of files that have no address."""
        return epath.Path(self._manual_dir())

    def download(self, urls: Any) -> Any:
        """The paths of the files, in the same nesting of dicts and lists as their addresses."""
        addresses = [each.url if isinstance(each, resource.Resource) else str(each) for each in _leaves(urls)]
        paths = iter(self._locate(addresses))
        return _mapped(lambda _: epath.Path(next(paths)), urls)

    def extract(self, archives: Any) -> Any:
        """The folders or, for a single packed file, the files that the archives are unpacked to."""
        return _mapped(self._extract_one, archives)

    def download_and_extract(self, urls: Any) -> Any:
        """One after the other."""
        return self.extract(self.download(urls))

    def iter_archive(self, archive: Any) -> Iterator[tuple[str, BinaryIO]]:
        """The name and content of each file in an archive."""
        path, method = _method(archive)
        file = self._stack.enter_context(path.open("rb"))
        with _damage_named(path):
            if method is resource.ExtractMethod.ZIP:
                # A builder may read the members of a zip late and in any order, where damage could not be named.
                if (bad := zipfile.ZipFile(file).testzip()) is not None:
                    raise zipfile.BadZipFile(f"bad checksum of {bad}")
                yield from extractor.iter_archive(file, method)
            else:
                for name, member in extractor.iter_archive(file, method):
                    yield name, io.BytesIO(member.read())

    def _extract_one(self, archive: Any) -> Any:
        path, method = _method(archive)
        if method is resource.ExtractMethod.NO_EXTRACT:
            return epath.Path(path)
        self._unpacked += 1
        target = self._work / f"{self._unpacked}" / path.name
        with path.open("rb") as file, _damage_named(path):
            for name, member in extractor.iter_archive(file, method):
                goal = target / name if name else target
                goal.parent.mkdir(parents=True, exist_ok=True)
                with goal.open("wb") as out:
                    shutil.copyfileobj(member, out)
        return epath.Path(target)


def _method(archive: Any) -> tuple[Path, Any]:
    if not isinstance(archive, resource.Resource):
        archive = resource.Resource(path=archive)
    return Path(archive.path), archive.extract_method


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for each in tree:
            yield from _leaves(each)
    else:
        yield tree


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _mapped(function, each) for key, each in tree.items()}
    if isinstance(tree, list | tuple):
        return [_mapped(function, each) for each in tree]
    return function(tree)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        # gzip and bzip2 tell of damage by an OSError without a number; one with a number is about the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} is damaged or incomplete ({error}); download it again.") from error
