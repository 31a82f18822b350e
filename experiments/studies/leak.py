"""What the codes of a conditional model still say of the attributes that its decoder is told: the leak test.

make train DATASET=avatars_conditional
python experiments/studies/leak.py runs/avatars_conditional

A logistic regression guesses each attribute from the codes, told and untold. Of codes that say nothing of an attribute
its balanced accuracy is 0.5. On a run that is not conditional both columns are the same.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxvae import load
from jaxvae.cli import run_command
from jaxvae.data.select import data_set
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.exchange import code_rows_told


def leak(run: Annotated[Path, tyro.conf.Positional], n: int = 5000) -> None:
    """Prints the balanced accuracy of a linear probe for each attribute.

    Args:
        run: A run whose images have attributes.
        n: Training images that the probe learns from.
    """
    loaded = load(run)
    prepared = data_set(loaded.info.data)
    train, test = (prepared.split(name) for name in ("train", "test"))
    parts = [(np.asarray(part.images[:n]), np.asarray(part.attributes[:n])) for part in (train, test)]
    accuracies = []
    for told in (True, False):
        (rows, labels), (held_out, truth) = (
            (code_rows_told(loaded, images, values if told else np.full_like(values, UNKNOWN)), values)
            for images, values in parts
        )
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))
        guesses = [probe.fit(rows, column).predict(held_out) for column in labels.T]
        accuracies.append([balanced_accuracy_score(*pair) for pair in zip(truth.T, guesses, strict=True)])
    print("| attribute | codes of images that are told | untold |")
    print("| --- | --- | --- |")
    for name, *each in zip(
        (*prepared.attributes, "mean"), *([*column, float(np.mean(column))] for column in accuracies), strict=True
    ):
        print(f"| {name} | {each[0]:.2f} | {each[1]:.2f} |")


if __name__ == "__main__":
    run_command(leak, "leak", program="python experiments/studies/leak.py")
