import base64
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

TOUR = Path(__file__).parents[1] / "docs" / "tutorials" / "tour.ipynb"
STEPS = 12
IMAGES = 8


def results(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def images(notebook):
    found = (output["data"]["image/png"] for output in results(notebook) if "image/png" in output.get("data", {}))
    for encoded in found:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            yield np.asarray(image)


def text(notebook):
    return "\n".join(str(output.get("text", "")) for output in results(notebook))


def test_the_tour_has_no_outputs_and_no_local_paths():
    notebook = nbformat.read(TOUR, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert not re.search(r"/(tmp|home|work|root|usr|Users|var)\b|\\Users", TOUR.read_text())


def test_the_tour_uses_only_public_names():
    source = "\n".join(cell.source for cell in nbformat.read(TOUR, as_version=4).cells if cell.cell_type == "code")
    imported = set(re.findall(r"^(?:from|import) (jaxvae[\w.]*)", source, re.MULTILINE))
    assert imported == {"jaxvae", "jaxvae.objectives"}
    assert not re.search(r"\b_\w+\(", source)


@pytest.mark.notebook
def test_every_cell_of_the_tour_runs(tmp_path, monkeypatch):
    from nbclient import NotebookClient

    for name in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES"):  # The suite's; here as users run it, and many times as fast.
        monkeypatch.delenv(name, raising=False)
    data = os.environ.get("JAXVAE_TOUR_DATA")
    monkeypatch.setenv("JAXVAE_TOUR_STEPS", str(STEPS))
    monkeypatch.setenv("JAXVAE_TOUR_DATA", str(Path(data).resolve()) if data else "data")
    notebook = nbformat.read(TOUR, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    said = text(notebook)
    assert f"trained {STEPS} steps" in said
    for claim in ("z is mean + stddev * epsilon", "the same ELBO", "the same walk"):
        assert f"{claim}: True" in said
    assert (tmp_path / "runs" / f"tour-{STEPS}" / "checkpoints").is_dir()
    assert (tmp_path / "runs" / f"tour-autoencoder-{STEPS}" / "checkpoints").is_dir()
    assert len(list(images(notebook))) == IMAGES
    assert all(image.std() > 0 for image in images(notebook))
