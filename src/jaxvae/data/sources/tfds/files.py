"""Provides the files that a TFDS builder requests, from a local folder or by download, without TensorFlow.

A builder gets its files from the download manager that TFDS passes to its `_split_generators`. TFDS's own manager
unpacks archives with TensorFlow, checks the published checksums and cannot read from a local folder; the one here
replaces it.
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

logger = logging.getLogger("jaxvae")

COMPRESSED = (".gz", ".tgz", ".zip", ".bz2", ".xz")
# For data sets whose home page does not lead to the files.
WHERE_TO_GET = {
    "celeb_a": "Kaggle hands them out (www.kaggle.com/datasets/jessicali9530/celeba-dataset): one folder with "
    "img_align_celeba/, list_attr_celeba.csv and list_eval_partition.csv is enough; or take img_align_celeba.zip, "
    "list_attr_celeba.txt, list_eval_partition.txt, list_landmarks_align_celeba.txt and identity_CelebA.txt from the "
    "Google Drive that http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html links under Downloads.",
}

Locate = Callable[[list[str]], list[Any]]  # Maps the URLs of files to their local paths, in order.


class RawFiles:
    """A replacement for TFDS's download manager.

    Args:
        locate: maps the requested URLs to local paths, in order; raises UserError for missing files.
        manual_dir: returns the folder of files that have no URL.
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
        """The folder of files that have no URL."""
        return epath.Path(self._manual_dir())

    def download(self, urls: Any) -> Any:
        """Returns the paths of the files, in the same nesting of dicts and lists as their URLs."""
        flat = [leaf.url if isinstance(leaf, resource.Resource) else str(leaf) for leaf in _leaves(urls)]
        paths = iter(self._locate(flat))
        return _map_tree(lambda _: epath.Path(next(paths)), urls)

    def extract(self, archives: Any) -> Any:
        """Unpacks archives; returns the resulting folders or, for a single compressed file, the resulting file."""
        return _map_tree(self._extract_one, archives)

    def download_and_extract(self, urls: Any) -> Any:
        """Downloads files, then unpacks them."""
        return self.extract(self.download(urls))

    def iter_archive(self, archive: Any) -> Iterator[tuple[str, BinaryIO]]:
        """Yields the name and content of each file in an archive."""
        path, method = _method(archive)
        file = self._stack.enter_context(path.open("rb"))
        with _report_damage(path):
            if method is resource.ExtractMethod.ZIP:
                # Check first: a builder may read zip members late and in any order, outside of this error handling.
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
        for child in tree:
            yield from _leaves(child)
    else:
        yield tree


def _map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _map_tree(function, child) for key, child in tree.items()}
    if isinstance(tree, list | tuple):
        return [_map_tree(function, child) for child in tree]
    return function(tree)


@contextmanager
def _report_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        # gzip and bzip2 report damage as an OSError without errno; with errno, the disk is at fault.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} is damaged or incomplete ({error}); download it again.") from error


def find_in_folder(name: str, folder: Path, published: dict[str, Any], homepage: str) -> Locate:
    """Returns a `RawFiles.locate` that looks files up in a folder by their published names, packed by gzip or not.

    It raises a UserError that lists all missing files. A file of another size than published causes a warning, unless
    it is compressed: mirrors pack files again, and whether one is whole is checked when it is unpacked.

    Args:
        name: name of the dataset, for error messages.
        folder: where the files are.
        published: TFDS's information about the files, by URL.
        homepage: where to get the files, for error messages.
    """

    def locate(urls: list[str]) -> list[Path]:
        paths = [_packed_or_not(folder / file_name(url, published)) for url in urls]
        found = list(zip(paths, urls, strict=True))
        missing = {path.name: url for path, url in found if not path.is_file()}
        if missing:
            files = ", ".join(f"{file} ({url})" for file, url in missing.items())
            raise UserError(
                f"{folder} is missing {len(missing)} of the files of {name}: {files}; "
                f"{WHERE_TO_GET.get(name, f'see {homepage}.')}"
            )
        wrong_size = [
            f"{path.name} has {path.stat().st_size} bytes, not {int(published[url].size)}"
            for path, url in found
            if url in published and path.stat().st_size != published[url].size
            # Unpacked files of MNIST declare their size; tables do not.
            if not (path.suffix in COMPRESSED or path.name != file_name(url, published))
        ]
        if wrong_size:
            logger.warning(
                "files in %s differ in size from the published ones and may be incomplete: %s",
                folder,
                ", ".join(wrong_size),
            )
        return paths

    return locate


def _packed_or_not(path: Path) -> Path:
    unpacked = path.with_suffix("") if path.suffix == ".gz" else path
    return unpacked if not path.is_file() and unpacked.is_file() else path


def download(manager: Any) -> Locate:
    """Returns a `RawFiles.locate` that downloads files with TFDS's own download manager."""

    def locate(urls: list[str]) -> list[Any]:
        # Fail early: without a network TFDS retries for minutes. Behind a proxy only the proxy can resolve names.
        missing = set(urls) - _already_downloaded(Path(manager.download_dir))
        hosts = {urlsplit(url).hostname for url in missing} - {None}
        for host in hosts if not getproxies() else ():
            try:
                socket.getaddrinfo(host, None)
            except OSError as error:
                raise ConnectionError(f"cannot resolve {host}; is there a network connection?") from error
        urllib3 = logging.getLogger("urllib3.connectionpool")
        level = urllib3.level
        urllib3.setLevel(logging.ERROR)
        try:
            return list(manager.download(urls))
        finally:
            urllib3.setLevel(level)

    return locate


def _already_downloaded(downloads: Path) -> set[str]:
    """Returns the URLs of the files that TFDS has already downloaded, from the .INFO files next to them."""
    info_files = [path for pattern in ("*.INFO", "*/*.INFO") for path in downloads.glob(pattern)]
    return {url for path in info_files for url in json.loads(path.read_text()).get("urls", ())}


def file_name(url: str, published: dict[str, Any]) -> str:
    """Returns the published name of the file at a URL."""
    return getattr(published.get(url), "filename", None) or url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
