"""Codes: walking through them, looking into them, and bringing them to disk and back."""
