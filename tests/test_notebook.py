import base64
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

TOUR = Path(__file__).parents[1] / "experiments" / "tour.ipynb"
STEPS = 12


def results(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(notebook):
    found = (output["data"]["image/png"] for output in results(notebook) if "image/png" in output.get("data", {}))
    for encoded in found:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            yield np.asarray(image)


def text(notebook):
    return "\n".join(str(output.get("text", "")) for output in results(notebook))


def test_the_tour_is_kept_with_its_outputs_and_says_nothing_of_the_machine():
    notebook = nbformat.read(TOUR, as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in results(notebook))
    assert len(list(pictures(notebook))) == 6
    assert re.search(r"PSNR \d+\.\d dB", text(notebook))
    words = re.sub(r'"image/png": "[^"]*"', "", TOUR.read_text())
    assert not re.search(r"/(tmp|home|work|root|usr|Users|var)\b|\\Users", words)


@pytest.mark.notebook
def test_every_cell_of_the_tour_runs(tmp_path, monkeypatch):
    from nbclient import NotebookClient

    data = os.environ.get("JAXVAE_TOUR_DATA")
    monkeypatch.setenv("JAXVAE_TOUR_STEPS", str(STEPS))
    monkeypatch.setenv("JAXVAE_TOUR_DATA", str(Path(data).resolve()) if data else "data")
    notebook = nbformat.read(TOUR, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert f"trained {STEPS} steps" in text(notebook)
    assert (tmp_path / "runs" / f"tour-{STEPS}" / "checkpoints").is_dir()
    assert all(picture.std() > 0 for picture in pictures(notebook))
    assert len(list(pictures(notebook))) == 6
