"""The explorer: a browser page for one trained model, served on localhost only."""
