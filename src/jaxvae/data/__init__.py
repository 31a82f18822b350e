"""Images from any source, in one prepared format.

Nothing is imported here, so that configs load without NumPy: `from jaxvae.data.prepare import prepare`.
"""
