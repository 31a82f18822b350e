"""Where the files of a TFDS set are: in a folder of hand-downloaded files, or downloaded where TFDS keeps them."""

import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")

# From the addresses of files to their paths, in order.
Locate = Callable[[list[str]], list[Any]]


def in_folder(name: str, folder: Path, published: dict[str, Any], homepage: str) -> Locate:
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


def downloaded(manager: Any) -> Locate:
    """Downloads files with TFDS's own download manager, for `RawFiles.locate`."""

    def locate(urls: list[str]) -> list[Any]:
        # Without a network TFDS tries for minutes and fills the terminal. Behind a proxy only the proxy knows names.
        missing = set(urls) - _kept(Path(manager.download_dir))
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


def _kept(downloads: Path) -> set[str]:
    """The addresses of the files that TFDS has downloaded before, by the notes that it keeps beside them."""
    notes = [note for pattern in ("*.INFO", "*/*.INFO") for note in downloads.glob(pattern)]
    return {url for note in notes for url in json.loads(note.read_text()).get("urls", ())}


def file_name(url: str, published: dict[str, Any]) -> str:
    """The name under which the file at an address was published."""
    return getattr(published.get(url), "filename", None) or url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
