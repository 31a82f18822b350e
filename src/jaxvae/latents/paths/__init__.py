"""Paths between codes: linear, spherical, through a prior's quantiles, geodesic; and their smoothness.

A path is a function (first, second, degrees [b]) -> codes [b, ...]. `build_path` makes each of the four by name.
"""

from jaxvae.latents.paths.build import PathName, build_path
from jaxvae.latents.paths.interpolation import Path, codes_along, linear, sheet_codes, spherical
from jaxvae.latents.paths.walks import Walk, even_degrees, walk

__all__ = [
    "Path",
    "PathName",
    "Walk",
    "build_path",
    "codes_along",
    "even_degrees",
    "linear",
    "sheet_codes",
    "spherical",
    "walk",
]
