"""Reads the shards of a WebDataset: a folder of tar archives such as `train-000000.tar`."""

import fnmatch
import os
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.archive_files import Archive, open_archive
from jaxvae.data.sources.containers.archives import read_archive
from jaxvae.data.sources.containers.contents import Contents, split_of
from jaxvae.errors import UserError
from jaxvae.system.small_files import LARGEST_FILE, check_regular

NAMES = "*-[0-9][0-9][0-9]*.tar*"


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of all shards; names that begin with `train`, `val` or `test` put a shard into that split.

    Raises:
        UserError: a shard holds no images; otherwise as for a single archive.
    """
    places: dict[str, tuple[Archive, str]] = {}
    with ExitStack() as stack:
        for shard in sorted(fnmatch.filter(os.listdir(path), NAMES)):
            check_regular(path / shard, LARGEST_FILE)
            archive = open_archive(path / shard)
            stack.callback(archive.close)
            if not archive.sizes:
                raise UserError(f"{path / shard} is empty; expected a tar archive of images.")
            # Keys need only differ within a shard.
            folder, prefix = split_of(shard) or "train", shard.split(".")[0]
            for member in archive.sizes:
                name = PurePosixPath(folder, PurePosixPath(member).parent, f"{prefix}~{PurePosixPath(member).name}")
                places[str(name)] = archive, member
        sizes = {name: archive.sizes[member] for name, (archive, member) in places.items()}

        def read_member(name: str) -> bytes:
            archive, member = places[name]
            return archive.read(member)

        return read_archive(path, Archive(sizes, read_member, stack.pop_all().close), config)
