"""Latent-space tools: paths, units, attributes, maps, nearest neighbours, and codes on disk."""
