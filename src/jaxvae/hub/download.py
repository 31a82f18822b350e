"""Downloads of single files by name, into the cache of huggingface_hub, never of whatever a repository holds."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxvae.errors import UserError
from jaxvae.hub.client import client, is_unreachable, library, report_errors
from jaxvae.hub.names import COMMIT, HubName

TIMEOUT_SECONDS = 30.0

logger = logging.getLogger("jaxvae")


class HubFile(NamedTuple):
    """A file of a repository: its name, without folders; its largest size in bytes; whether it may be missing."""

    name: str
    largest: int
    optional: bool = False


class Download(NamedTuple):
    """Files in the cache, by name, and the commit that they are of."""

    files: dict[str, Path]
    commit: str


def download(name: HubName, wanted: Sequence[HubFile]) -> Download:
    """Downloads files of a repository, or finds them in the cache.

    Where the server cannot be reached, what was downloaded of the same revision before is used, and said so.

    Args:
        name: the repository and its revision.
        wanted: the files; nothing else is downloaded.

    Raises:
        UserError: the repository or a file does not exist, needs a token, is too large, or cannot be reached.
    """
    kept = _cached(name, wanted)
    if kept is not None and name.revision == kept.commit:
        return kept
    with report_errors(name.repository, name.revision):
        api = client()
        try:
            info = api.model_info(name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
        except Exception as error:
            if kept is None or not is_unreachable(error):
                raise
            logger.warning(
                "%s cannot be reached; %s is opened as it was downloaded before, at commit %s.",
                api.endpoint, name, kept.commit[:12],
            )  # fmt: skip
            return kept
        files = _check_files(name, info, wanted)
        # The first by the name of its revision, which is how the cache knows what that was when it is asked offline.
        revision, found = name.revision or "main", {}
        for file in files:
            found[file] = Path(api.hf_hub_download(name.repository, file, revision=revision))
            revision = _commit(found[file])
    return Download(found, revision)


def _check_files(name: HubName, info: Any, wanted: Sequence[HubFile]) -> list[str]:
    """Returns the files that are there of those wanted, from the server's list of them."""
    sizes = {each.rfilename: each.size for each in info.siblings or ()}
    for file in wanted:
        if file.name not in sizes and not file.optional:
            raise UserError(
                f"{name} is not a run of jaxvae: the repository has no {file.name}, which python -m jaxvae.push writes."
            )
        size = sizes.get(file.name)
        if size is not None and size > file.largest:
            raise UserError(
                f"{name} is not opened: its {file.name} has {size:,} bytes; expected at most {file.largest:,}."
            )
    return [file.name for file in wanted if file.name in sizes]


def _cached(name: HubName, wanted: Sequence[HubFile]) -> Download | None:
    """Returns what the cache has of this revision, as far as it is known without the server; None if not all."""
    found: dict[str, Path] = {}
    for file in wanted:
        path = library().try_to_load_from_cache(name.repository, file.name, revision=name.revision or "main")
        if isinstance(path, str):
            found[file.name] = Path(path)
        elif not file.optional:
            return None
    commits = {_commit(path) for path in found.values()}
    return Download(found, commits.pop()) if len(commits) == 1 else None


def _commit(path: Path) -> str:
    """Returns the commit of a file in the cache, which is the name of its folder."""
    commit = path.parent.name
    if not COMMIT.fullmatch(commit):
        raise UserError(f"{path} is not in a folder named after a commit; delete it and try again.")
    return commit
