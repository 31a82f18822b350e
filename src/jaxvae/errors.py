"""Mistakes that a user can mend, told in a sentence."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave is wrong; the message says what, its value, and what would be right.

    Commands print the message alone and exit with code 2; library callers can catch it as a ValueError.
    """


def printable(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey and for bytes of a name that are no UTF-8."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def suggest(name: str, known: Iterable[str]) -> str:
    """What the user may have meant, "did you mean 'beard' or 'bald'?", or else all that is known."""
    names = list(known)
    by_lower = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(repr(by_lower[each]) for each in close)}?"
    return f"the known ones are {', '.join(names)}." if names else "there are none."
