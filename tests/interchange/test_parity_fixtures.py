import pytest
from parity.comparison import FIXTURES, TOLERANCE, largest_differences


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_codes_and_images_are_those_of_the_library_that_a_model_came_from(name, tmp_path):
    differences = largest_differences(FIXTURES / name, tmp_path / "run")
    assert {"mean", "image"} <= set(differences)
    assert max(differences.values()) < TOLERANCE, differences
