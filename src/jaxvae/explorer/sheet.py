"""The sheet between four faces: paths along its top and bottom edges, joined by paths from top to bottom."""

import numpy as np

from jaxvae.explorer.faces import Face, Move
from jaxvae.explorer.requests import SheetRequest


def sheet_faces(request: SheetRequest) -> list[Face]:
    """Returns the faces of a sheet, row by row, as `jaxvae.interpolate --corners` draws them."""
    degrees = np.linspace(0.0, 1.0, request.cells).tolist()
    first, second, third, fourth = request.corners
    top, bottom = ([_on_path(*ends, request.path, x) for x in degrees] for ends in ((first, second), (third, fourth)))
    return [_on_path(above, below, request.path, y) for y in degrees for above, below in zip(top, bottom, strict=True)]


def _on_path(first: Face, last: Face, path: str, degree: float) -> Face:
    # The ends themselves, so that faces made of these faces stay small.
    if degree in (0.0, 1.0):
        return first if degree == 0.0 else last
    return Move(first=first, last=last, path=path, degree=degree)
