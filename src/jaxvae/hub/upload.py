"""Uploads: whether a repository may be written to, found out before the work, and one commit with all files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxvae.errors import UserError
from jaxvae.hub.client import LOG_IN, client, has_token, is_missing, library, report_errors
from jaxvae.hub.download import TIMEOUT_SECONDS


class Target(NamedTuple):
    """A repository to write to: whether it exists, its newest commit, and the files it has."""

    repository: str
    public: bool
    exists: bool
    commit: str | None = None
    files: frozenset[str] = frozenset()


class Pushed(NamedTuple):
    """A commit that was made: the address of the repository, and the commit."""

    url: str
    commit: str


def check_target(repository: str, ours: Collection[str], *, public: bool, overwrite: bool) -> Target:
    """Returns what is known of the repository to write to.

    Args:
        repository: OWNER/NAME.
        ours: names of the files that may be written.
        public: whether everybody is to see it.
        overwrite: whether files that it has may be replaced.

    Raises:
        UserError: there is no token, the repository has such files, or it is public and was not said to be, or vice
            versa.
    """
    if not has_token():
        raise UserError(f"pushing to {repository} needs a token; {LOG_IN} with the permission to write.")
    with report_errors(repository):
        try:
            info = client().model_info(repository, timeout=TIMEOUT_SECONDS)
        except Exception as error:
            if is_missing(error):
                return Target(repository, public, exists=False)
            raise
    files = frozenset(each.rfilename for each in info.siblings or ())
    if (there := sorted(files.intersection(ours))) and not overwrite:
        raise UserError(
            f"{repository} exists and has a {there[0]}; --overwrite replaces its files in a new commit, or choose "
            "another name."
        )
    if bool(info.private) is public:
        now, flag = ("private", "remove --public") if public else ("public", "add --public")
        raise UserError(f"{repository} exists and is {now}; {flag}, or change that in its settings.")
    return Target(repository, public, exists=True, commit=info.sha, files=files)


def upload(target: Target, files: Mapping[str, Path], ours: Collection[str], message: str) -> Pushed:
    """Writes files in one commit, creating the repository where there is none.

    Args:
        target: from `check_target`.
        files: the files by their names in the repository.
        ours: names of the files that may be written; those that the repository has and this commit does not go.
        message: of the commit.

    Raises:
        UserError: the server refuses it, or somebody else has pushed in the meantime.
    """
    hub, api = library(), client()
    operations = [hub.CommitOperationAdd(name, path) for name, path in files.items()]
    stale = target.files.intersection(ours) - files.keys()
    operations += [hub.CommitOperationDelete(name) for name in sorted(stale)]
    with report_errors(target.repository):
        if not target.exists:
            api.create_repo(target.repository, private=not target.public)
        made = api.create_commit(target.repository, operations, commit_message=message, parent_commit=target.commit)
    return Pushed(f"{api.endpoint}/{target.repository}", made.oid)
