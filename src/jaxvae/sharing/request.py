"""What is asked for, checked before a model is opened."""

import re

from jaxvae.errors import UserError
from jaxvae.hub.names import check_repository

LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def check_request(repository: str, license: str | None) -> None:
    """Raises UserError for a malformed name, and for a licence that is missing or malformed."""
    check_repository(repository)
    if license is None:
        raise UserError(
            "no licence is given, without which nobody may use the model; say which, as in --license apache-2.0, mit, "
            "cc-by-4.0, cc-by-nc-4.0 or other, one that the images it was trained on allow."
        )
    if not LICENSE.fullmatch(license):
        raise UserError(
            f"the licence is {license!r}; expected an identifier as the hub lists them, such as apache-2.0."
        )
