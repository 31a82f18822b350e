"""The files a TFDS builder asks for: hand-downloaded ones from a folder, or downloaded ones; no TensorFlow either way.

A builder gets its files from the "download manager" that TFDS hands to its `_split_generators`. TFDS's own unpacks
archives with TensorFlow, checks the published checksums and knows no folder of yours; this one stands in for it.
"""

import io
import json
import logging
import shutil
import socket
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import getproxies

from etils import epath
from tensorflow_datasets.core.download import extractor, resource

from jaxvae.errors import UserError

Locate = Callable[[list[str]], list[Any]]


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
        return _map_tree(lambda _: epath.Path(next(paths)), urls)

    def extract(self, archives: Any) -> Any:
        """The folders or, for a single packed file, the files that the archives are unpacked to."""
        return _map_tree(self._extract_one, archives)

    def download_and_extract(self, urls: Any) -> Any:
        """One after the other."""
        return self.extract(self.download(urls))

    def iter_archive(self, archive: Any) -> Iterator[tuple[str, BinaryIO]]:
        """The name and content of each file in an archive."""
        path, method = _method(archive)
        file = self._stack.enter_context(path.open("rb"))
        with _report_damage(path):
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
        with path.open("rb") as file, _report_damage(path):
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


def _map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _map_tree(function, each) for key, each in tree.items()}
    if isinstance(tree, list | tuple):
        return [_map_tree(function, each) for each in tree]
    return function(tree)


@contextmanager
def _report_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        # gzip and bzip2 tell of damage by an OSError without a number; one with a number is about the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} is damaged or incomplete ({error}); download it again.") from error


logger = logging.getLogger("jaxvae")

# From the addresses of files to their paths, in order.


def find_in_folder(name: str, folder: Path, published: dict[str, Any], homepage: str) -> Locate:
    """Looks files up in a folder by the names under which they were published, for `RawFiles.locate`.

    A missing file is a `UserError` that names all that are missing; a size other than the published one is a warning,
    since mirrors repack archives.
    """

    def locate(urls: list[str]) -> list[Path]:
        paths = [folder / file_name(url, published) for url in urls]
        found = list(zip(paths, urls, strict=True))
        missing = {path.name: url for path, url in found if not path.is_file()}
        if missing:
            files = ", ".join(f"{file} ({url})" for file, url in missing.items())
            raise UserError(f"{folder} lacks {len(missing)} of the files of {name}: {files}; see also {homepage}.")
        other = [
            f"{path.name} has {path.stat().st_size} bytes, not {int(published[url].size)}"
            for path, url in found
            if url in published and path.stat().st_size != published[url].size
        ]
        if other:
            logger.warning(
                "files in %s were packed anew since they were published, or are incomplete: %s",
                folder,
                ", ".join(other),
            )
        return paths

    return locate


def download(manager: Any) -> Locate:
    """Downloads files with TFDS's own download manager, for `RawFiles.locate`."""

    def locate(urls: list[str]) -> list[Any]:
        # Without a network TFDS tries for minutes and fills the terminal. Behind a proxy only the proxy knows names.
        missing = set(urls) - _already_downloaded(Path(manager.download_dir))
        hosts = {urlsplit(url).hostname for url in missing} - {None}
        for host in hosts if not getproxies() else ():
            try:
                socket.getaddrinfo(host, None)
            except OSError as error:
                raise ConnectionError(f"{host} is not to be found, there may be no network") from error
        urllib3 = logging.getLogger("urllib3.connectionpool")
        level = urllib3.level
        urllib3.setLevel(logging.ERROR)
        try:
            return list(manager.download(urls))
        finally:
            urllib3.setLevel(level)

    return locate


def _already_downloaded(downloads: Path) -> set[str]:
    """The addresses of the files that TFDS has downloaded before, by the notes that it keeps beside them."""
    notes = [note for pattern in ("*.INFO", "*/*.INFO") for note in downloads.glob(pattern)]
    return {url for note in notes for url in json.loads(note.read_text()).get("urls", ())}


def file_name(url: str, published: dict[str, Any]) -> str:
    """The name under which the file at an address was published."""
    return getattr(published.get(url), "filename", None) or url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
