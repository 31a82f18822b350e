"""Hands a trained run to others: its files, its card with images and numbers, and the upload of both."""
