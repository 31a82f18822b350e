"""The path that a user names."""

from pathlib import Path

from jaxvae.errors import UserError


def named_path(name: str) -> Path:
    """The path, with a home for `~`; `UserError` for the home of somebody unknown."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name} begins with the home of a user whom this machine does not know.") from error
