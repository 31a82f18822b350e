"""Walking through latent space."""
