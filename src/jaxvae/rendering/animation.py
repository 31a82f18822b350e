"""Animations on disk: GIF, WebP and MP4, by the suffix of the file."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.grid import grid
from jaxvae.system.files import atomic_write

SUFFIXES = (".gif", ".webp", ".mp4")


SHORTEST_FRAME = 20  # Milliseconds; browsers show shorter frames of a GIF slower than asked.


def save_animation(images: np.ndarray, path: Path, seconds: float = 2.5, closed: bool = False) -> Path:
    """Writes pictures uint8 [n, h, w, c] as an animation, each a frame as `save_frames` takes them."""
    return save_frames([grid(image[None], 1) for image in images], path, seconds, closed)


def save_frames(frames: Sequence[Image.Image], path: Path, seconds: float = 2.5, closed: bool = False) -> Path:
    """Writes frames of one size as an animation, `seconds` from the first to the last.

    A path with two ends runs there and back; a `closed` one goes round, from the last picture on to the first. GIF and
    WebP repeat without end; how often an MP4 does is up to its player.

    Raises:
        UserError: for another suffix, a place that cannot be written to, or an MP4 without jaxvae[video].
    """
    require(path.suffix)
    milliseconds = max(SHORTEST_FRAME, round(1000 * seconds / len(frames)))
    frames = [*frames] if closed else [*frames, *frames[-2:0:-1]]
    if path.suffix == ".mp4":
        return _save_mp4(frames, path, 1000 / milliseconds)
    options = {"format": "WEBP", "lossless": True} if path.suffix == ".webp" else {"format": "GIF"}
    with atomic_write(path) as file:
        frames[0].save(file, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, **options)
    return path


def require(suffix: str) -> None:
    """`UserError` for a format that cannot be written here: to be asked before long work."""
    if suffix not in SUFFIXES:
        raise UserError(
            f"an animation cannot be written as {suffix or 'a file without suffix'}: {', '.join(SUFFIXES)}."
        )
    if suffix == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise UserError("an MP4 needs ffmpeg: pip install 'jaxvae[video]' (GIF and WebP need nothing).") from error


def _save_mp4(frames: list[Image.Image], path: Path, frames_per_second: float) -> Path:
    from imageio_ffmpeg import get_ffmpeg_exe

    # H.264 with the colours that every player knows takes even sides only.
    width, height = (side + side % 2 for side in frames[0].size)
    sheets = []
    for frame in frames:
        sheet = Image.new("RGB", (width, height), "white")
        sheet.paste(frame.convert("RGB"), (0, 0))
        sheets.append(sheet.tobytes())
    taken = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{frames_per_second}", "-i", "-"]
    made = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"]
    with atomic_write(path) as file:
        command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", *taken, *made, file.name]
        result = subprocess.run(command, input=b"".join(sheets), capture_output=True)  # noqa: S603
        if result.returncode:
            reason = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise UserError(f"{path} cannot be written: ffmpeg says {' '.join(reason) or result.returncode}.")
    return path
