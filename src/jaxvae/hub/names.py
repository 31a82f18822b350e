"""Names of repositories, and `hub:OWNER/NAME[@REVISION]`, which names a run wherever a run folder may stand."""

import re
from pathlib import Path
from typing import NamedTuple

from jaxvae.errors import UserError

PREFIX = "hub:"
COMMIT = re.compile(r"[0-9a-f]{40}")
PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")


class HubName(NamedTuple):
    """A run on the hub: `repository` is OWNER/NAME, `revision` a branch, a tag or a commit; None takes the newest."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        """Returns the name as it is written on a command line."""
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(path: str | Path) -> bool:
    """Returns whether what stands for a run names one on the hub."""
    return str(path).startswith(PREFIX)


def parse_hub_name(path: str | Path) -> HubName:
    """Returns the parts of `hub:OWNER/NAME[@REVISION]`; raises UserError if it is malformed."""
    repository, at, revision = str(path).removeprefix(PREFIX).partition("@")
    if not is_repository(repository):
        raise UserError(f"{path} is not a name on the hub; expected hub:OWNER/NAME or hub:OWNER/NAME@REVISION.")
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise UserError(f"{path} has the revision {revision!r}; expected a branch, a tag or a commit after the @.")
    return HubName(repository, revision or None)


def check_repository(repository: str) -> None:
    """Raises UserError unless the name is one that a repository can have: OWNER/NAME."""
    if not is_repository(repository):
        raise UserError(
            f"{repository!r} is not a name of a repository; expected OWNER/NAME, each of up to 96 letters, digits, "
            "hyphens, underscores and single dots."
        )


def is_repository(text: str) -> bool:
    """Returns whether a text is OWNER/NAME, as the hub takes it."""
    parts = text.split("/")
    # The hub refuses two hyphens or dots in a row, so that -- separates owner and name in a folder's name.
    return len(parts) == 2 and all(PART.fullmatch(each) and not re.search(r"--|\.\.", each) for each in parts)
