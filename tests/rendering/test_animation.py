import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.animation import check_format, save_animation

SHADES = (0, 40, 80, 120, 160)
PICTURES = np.asarray(SHADES, np.uint8)[:, None, None, None] * np.ones((1, 65, 130, 3), np.uint8)


def shades(path: Path) -> list[int]:
    with Image.open(path) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            assert image.size == (130, 65)
            frames.append(int(np.asarray(image.convert("RGB"))[30, 60, 0]))
        assert image.info["duration"] == 500
        assert image.info["loop"] == 0
    return frames


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_path_plays_forth_and_back_and_a_loop_goes_around(suffix, tmp_path):
    assert shades(save_animation(PICTURES, tmp_path / f"x{suffix}")) == [*SHADES, 120, 80, 40]
    assert shades(save_animation(PICTURES, tmp_path / f"y{suffix}", closed=True)) == list(SHADES)
    assert len(list(tmp_path.iterdir())) == 2


def test_grey_images_are_animated(tmp_path):
    with Image.open(save_animation(PICTURES[..., :1], tmp_path / "x.webp")) as image:
        assert image.n_frames == 8


def test_a_video_has_frames_with_even_sides(tmp_path):
    path = save_animation(PICTURES, tmp_path / "x.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["x.mp4"]
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    video = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    frames = video.reshape(-1, 66, 130, 3)
    np.testing.assert_allclose(frames[:, 30, 60, 0], [*SHADES, 120, 80, 40], atol=4)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"other.mp4 cannot be written"):
        save_animation(PICTURES, tmp_path / "file" / "other.mp4")


def test_a_video_without_its_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install 'jaxvae\[video\]'"):
        save_animation(PICTURES, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused():
    with pytest.raises(UserError, match=r"as \.avi; expected \.gif, \.webp, \.mp4"):
        check_format(".avi")
