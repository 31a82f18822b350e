"""Writes animations as GIF, WebP or MP4, depending on the file's suffix."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.grid import to_pil
from jaxvae.system.files import atomic_write

SUFFIXES = (".gif", ".webp", ".mp4")
SMALLEST_SIDE = 256  # Smaller images are enlarged to about this, by repeating pixels.
WEBP_QUALITY = 90  # Of 100, where it is not lossless.
MIN_FRAME_MILLISECONDS = 20  # Browsers slow down GIFs with shorter frames.


def save_animation(
    images: np.ndarray, path: Path, seconds: float = 2.5, closed: bool = False, scale: int | None = None
) -> Path:
    """Writes images uint8 [n, h, w, c] as an animation, one frame each; see `save_frames`.

    Args:
        images: The frames.
        path: The file, .gif, .webp or .mp4.
        seconds: Time from the first to the last frame.
        closed: Whether the last frame is followed by the first.
        scale: How often each pixel is repeated in either direction; None enlarges small images to about 256 pixels.
    """
    factor = scale or max(1, SMALLEST_SIDE // max(images.shape[1:3]))
    frames = [to_pil(image.repeat(factor, axis=0).repeat(factor, axis=1)) for image in images]
    return save_frames(frames, path, seconds, closed)


def save_frames(
    frames: Sequence[Image.Image], path: Path, seconds: float = 2.5, closed: bool = False, lossless: bool = True
) -> Path:
    """Writes frames of equal size as an animation that takes `seconds` from the first to the last.

    An open path plays forwards and backwards; a `closed` one returns from the last frame to the first. GIF and WebP
    loop forever; whether an MP4 loops is up to the player.

    Args:
        frames: The frames.
        path: The file, .gif, .webp or .mp4.
        seconds: Time from the first to the last frame.
        closed: Whether the last frame is followed by the first.
        lossless: Whether a WebP has the exact pixels; smooth frames are many times smaller without.

    Raises:
        UserError: If the suffix is not supported, the file cannot be written, or an MP4 is requested without
            jaxvae[video].
    """
    check_format(path.suffix)
    milliseconds = max(MIN_FRAME_MILLISECONDS, round(1000 * seconds / len(frames)))
    frames = [*frames] if closed else [*frames, *frames[-2:0:-1]]
    if path.suffix == ".mp4":
        return _save_mp4(frames, path, 1000 / milliseconds)
    webp = {"format": "WEBP", "lossless": True} if lossless else {"format": "WEBP", "quality": WEBP_QUALITY}
    options = webp if path.suffix == ".webp" else {"format": "GIF"}
    with atomic_write(path) as file:
        frames[0].save(file, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, **options)
    return path


def check_format(suffix: str) -> None:
    """Raises UserError if the format cannot be written here; call it before long computations."""
    if suffix not in SUFFIXES:
        raise UserError(
            f"cannot write an animation as {suffix or 'a file without a suffix'}; expected {', '.join(SUFFIXES)}."
        )
    if suffix == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise UserError("writing MP4 needs ffmpeg: pip install 'jaxvae[video]', or write a GIF or WebP.") from error


def _save_mp4(frames: list[Image.Image], path: Path, frames_per_second: float) -> Path:
    from imageio_ffmpeg import get_ffmpeg_exe

    # H.264 with yuv420p, which every player supports, requires even sides.
    width, height = (side + side % 2 for side in frames[0].size)
    sheets = []
    for frame in frames:
        sheet = Image.new("RGB", (width, height), "white")
        sheet.paste(frame.convert("RGB"), (0, 0))
        sheets.append(sheet.tobytes())
    input_options = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
        "-r",
        f"{frames_per_second}",
        "-i",
        "-",
    ]
    output_options = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"]
    with atomic_write(path) as file:
        command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", *input_options, *output_options, file.name]
        result = subprocess.run(command, input=b"".join(sheets), capture_output=True)  # noqa: S603
        if result.returncode:
            reason = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise UserError(f"{path} cannot be written: ffmpeg failed with {' '.join(reason) or result.returncode}.")
    return path
