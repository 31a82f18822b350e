"""Paths between codes: linear, spherical, through a prior's quantiles, geodesic; and their smoothness."""
