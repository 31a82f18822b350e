"""Errors that a user can fix, reported in one sentence."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Invalid user input; the message names what is wrong, its value, and the remedy.

    Commands print only the message and exit with code 2; library callers can catch it as a ValueError.
    """


def printable(text: str) -> str:
    """Returns the text on one line, escaping control characters and bytes of file names that are not valid UTF-8."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns "did you mean 'beard' or 'bald'?", or a list of the known names if none is similar."""
    names = list(known)
    by_lower = {known_name.lower(): known_name for known_name in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(repr(by_lower[match]) for match in close)}?"
    return f"expected one of {', '.join(names)}." if names else "there are none to choose from."
