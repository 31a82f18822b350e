"""The explorer: a page in the browser over one trained model, served to this machine alone."""
