"""Image attributes: labels, latent directions, edits, and how well the edits work."""
