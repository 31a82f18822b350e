"""The only place that imports huggingface_hub, and what its errors mean, in a sentence each."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from jaxvae.errors import UserError, printable

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token"
LONGEST = 300  # Characters of a server's message that are shown.


def require_hub() -> None:
    """Raises UserError unless the library that talks to the hub, and the one that reads its weights, are installed."""
    for package in ("huggingface_hub", "safetensors"):
        if find_spec(package) is None:
            raise UserError(
                f"runs are shared with the package {package}, which is not installed; pip install 'jaxvae[hub]'."
            )


def library() -> Any:
    """Imports huggingface_hub, without its telemetry."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # It is read when the library is imported.
    import huggingface_hub

    return huggingface_hub


def client() -> Any:
    """Returns the client of the hub; HF_ENDPOINT names another server, HF_TOKEN a token."""
    return library().HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


def has_token() -> bool:
    """Returns whether requests carry a token."""
    return library().get_token() is not None


@contextmanager
def report_errors(repository: str, revision: str | None = None) -> Iterator[None]:
    """Turns what the library raises while it works on a repository into a UserError; only terminals see its bars."""
    try:
        with _bars_in_terminals():
            yield
    except UserError:
        raise
    except Exception as error:  # The library's own, those of its network library, and of the disk.
        raise UserError(_explain(error, repository, revision)) from error


@contextmanager
def _bars_in_terminals() -> Iterator[None]:
    utils = library().utils
    hide = not sys.stderr.isatty() and not utils.are_progress_bars_disabled()
    if hide:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            utils.enable_progress_bars()


def is_unreachable(error: Exception) -> bool:
    """Returns whether the server did not answer, or is out of order."""
    reason = _reason(error)
    return status >= 500 if (status := _status(reason)) is not None else _is_of_network(reason)


def _reason(error: BaseException) -> BaseException:
    """Returns what an error was raised from, down to the answer of the server, or of the network."""
    while _status(error) is None and not _is_of_network(error) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_of_network(error: BaseException) -> bool:
    # By name: the network library is another one in each major version of huggingface_hub.
    names = {base.__name__ for base in type(error).__mro__}
    return bool(names & {"ConnectionError", "TransportError", "Timeout", "OfflineModeIsEnabled"})


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def is_missing(error: BaseException) -> bool:
    """Returns whether the server says that there is no such repository, or none that the token may see."""
    return type(error).__name__ == "RepositoryNotFoundError"


def _explain(error: Exception, repository: str, revision: str | None) -> str:
    reason = _reason(error)
    server, status, name = client().endpoint, _status(reason), type(reason).__name__
    said = printable(" ".join(str(reason).split()))[:LONGEST] or name
    if is_missing(reason):
        why = "or is private and your token may not see it" if has_token() else f"or is private; {LOG_IN}"
        return f"{repository} does not exist on {server}, {why}."
    if name == "GatedRepoError":
        return f"{repository} is gated: accept its conditions on {server}/{repository}, and {LOG_IN} of that account."
    if name == "RevisionNotFoundError":
        return f"{repository} has no revision {revision!r}; expected a branch, a tag or a commit."
    if status == 401:
        return f"{server} does not accept {'the token' if has_token() else 'requests without a token'}; {LOG_IN}."
    if status == 403:
        return f"the token may not do this to {repository} ({said}); to push it needs the permission to write."
    if status in (409, 412):
        return f"{repository} was changed by somebody else in the meantime ({said}); try again."
    if status is not None and status >= 500:
        return f"{server} is out of order ({status}: {said}); try again later."
    if status is not None:
        return f"{server} refuses what was asked of it about {repository} ({status}: {said})."
    if is_unreachable(error):
        return f"{server} cannot be reached ({said}); check the network."
    return f"the exchange of {repository} with {server} failed ({said})."
