import json

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.runs.hub_files import DESCRIPTION, METRICS, WEIGHTS, read_hub_files, write_hub_files

ABOUT = {
    "config": {},
    "data": {},
    "versions": {"jaxvae": "1"},
    "objective": None,
    "complete": True,
    "path": "/home/jane",
}


def test_trees_come_back_with_their_structure_types_and_bytes(tmp_path):
    params = {
        "a.b": {"c": np.arange(6, dtype=np.float32).reshape(2, 3).T},
        "a": {"b.c": np.asarray(jnp.full(3, 0.1, jnp.bfloat16)), "empty": {}, "none": None},
        "scalar": np.float32(0.5),
    }
    statistics = {"mean": (np.ones((1, 2), np.int32), [np.zeros(0, np.float16)])}
    (tmp_path / METRICS).write_text("{}\n")
    files = write_hub_files(tmp_path, 7, ABOUT, {"ema": params, "code_statistics": statistics})
    assert [file.name for file in files] == [DESCRIPTION, METRICS, WEIGHTS]
    step, about, trees = read_hub_files("hub:a/b", {file.name: file for file in files})
    assert (step, about["complete"], "path" in about) == (7, True, False)
    wanted = {"ema": params, "code_statistics": {"mean": [statistics["mean"][0], statistics["mean"][1]]}}
    assert jax.tree.structure(trees) == jax.tree.structure(wanted)
    for found, expected in zip(jax.tree.leaves(trees), jax.tree.leaves(wanted), strict=True):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    names = json.loads((tmp_path / DESCRIPTION).read_text())["trees"]["ema"]
    assert names["a.b"]["c"] == "ema.a.b.c" != names["a"]["b.c"]
