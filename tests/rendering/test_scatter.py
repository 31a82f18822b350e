import numpy as np
import pytest
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.rendering.scatter import MAX_COLORS, OTHER_COLOR, Coloring, legend_groups, save_scatter


def test_each_value_has_a_legend_entry():
    lines = legend_groups(Coloring("width", np.asarray([2, 0, 0, 5]), ["small", "medium", "large"]))
    assert [words for words, _, _ in lines] == ["small", "large", "5"]
    np.testing.assert_array_equal([chosen for _, chosen, _ in lines], np.asarray([2, 0, 0, 5]) == [[0], [2], [5]])
    assert len({color for _, _, color in lines}) == 3


def test_the_rarest_of_many_classes_share_a_line():
    values = np.concatenate([np.repeat(np.arange(30), 2), np.arange(20, 30)])
    lines = legend_groups(Coloring("breed", values, [f"breed {i}" for i in range(30)]))
    assert len(lines) == MAX_COLORS
    words, chosen, color = lines[0]
    assert (words, color) == ("11 others", OTHER_COLOR)
    # The ten that there are three of are named, and the first nine of those that there are two of.
    assert [words for words, _, _ in lines[1:]] == [f"breed {i}" for i in [*range(9), *range(20, 30)]]
    assert sorted(set(values[chosen])) == list(range(9, 20))
    assert sum(chosen.sum() for _, chosen, _ in lines) == len(values)


def colors(path):
    with Image.open(path) as image:
        return {color for _, color in image.convert("RGB").getcolors(1 << 24)}


def test_points_are_drawn_in_their_colours_with_a_legend_or_a_bar(tmp_path):
    points = np.random.default_rng(0).normal(size=(60, 2))
    save_scatter(tmp_path / "plain.png", points, ("x", "y"), "title")
    two = Coloring("red", np.arange(60) % 2, [])
    save_scatter(tmp_path / "two.png", points, ("x", "y"), "title", two)
    save_scatter(tmp_path / "many.png", points, ("", ""), "title", Coloring("age", np.arange(60), []))
    orange = [np.abs(np.asarray(color) - (255, 127, 14)).max() < 60 for color in colors(tmp_path / "two.png")]
    assert any(orange)
    assert len(colors(tmp_path / "many.png")) > 2 * len(colors(tmp_path / "two.png"))
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unwritable_path_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_scatter(tmp_path / "file" / "m.png", np.zeros((3, 2)), ("", ""), "title")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
