"""Latent units: their names, rates, prior marginals and traversals."""
