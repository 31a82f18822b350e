"""Operating-system services: atomic files, checksums, worker processes, progress bars."""
