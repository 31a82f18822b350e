"""Keeps the folders of this machine, which name its user and projects, out of what is shared."""

import re
from typing import Any

# An absolute path of any system, one in a home folder, or the same as a file: address.
LOCAL = re.compile(r"(?:file:|~|/|\\\\|[A-Za-z]:[\\/]).*", re.DOTALL)


def without_local_paths(value: Any) -> Any:
    """Returns JSON with each absolute path replaced by its last part."""
    if isinstance(value, dict):
        return {without_local_paths(name): without_local_paths(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_local_paths(each) for each in value]
    if isinstance(value, str) and LOCAL.fullmatch(value):
        return re.split(r"[\\/]+", value.rstrip("\\/"))[-1].removeprefix("file:").removeprefix("~")
    return value


def shareable_data(data: dict[str, Any]) -> dict[str, Any]:
    """Returns the description of a data set without paths of this machine and without the names of single files."""
    origin = {name: len(each) if name == "unreadable" else each for name, each in data["origin"].items()}
    return dict(without_local_paths({**data, "origin": origin}))
