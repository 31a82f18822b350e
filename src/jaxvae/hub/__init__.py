"""The Hugging Face Hub, or another server that answers as it does: names, downloads and uploads of repositories."""
