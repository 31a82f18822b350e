"""`make test-parity`: what the fixtures hold is what the installed diffusers computes, and it opens what we export."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from conftest import tiny_config, train_config
from parity.comparison import FIXTURES, GROUPS, TOLERANCE, largest_differences, source_of
from safetensors.numpy import load_file

from jaxvae import Adversarial
from jaxvae.interchange import export_model, import_model
from jaxvae.library import fit, load

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]  # Warnings of other libraries are theirs.
FILE = "diffusion_pytorch_model.safetensors"
NAMES = sorted(path.name for path in FIXTURES.iterdir())


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    from parity.generate import generate

    target = tmp_path_factory.mktemp("parity")
    generate(target)
    return target


def test_the_committed_fixtures_are_those_that_the_script_makes(regenerated):
    files = [path.relative_to(FIXTURES) for path in sorted(FIXTURES.rglob("*.safetensors"))]
    assert files == [path.relative_to(regenerated) for path in sorted(regenerated.rglob("*.safetensors"))]
    for file in files:
        made, committed = load_file(regenerated / file), load_file(FIXTURES / file)
        assert set(made) == set(committed)
        for name, array in committed.items():
            np.testing.assert_allclose(made[name], array, rtol=1e-4, atol=1e-5, err_msg=f"{file}: {name}")


def test_codes_and_images_are_those_of_diffusers(regenerated, tmp_path):
    table = {name: largest_differences(regenerated / name, tmp_path / name) for name in NAMES}
    print("\n\nlargest difference, relative to the largest value")
    for name, differences in table.items():
        print(f"  {name:<28}", "  ".join(f"{output} {value:.1e}" for output, value in differences.items()))
    assert max(value for differences in table.values() for value in differences.values()) < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_diffusers_opens_an_exported_folder(name, tmp_path):
    x = load_file(FIXTURES / name / "expected.safetensors")["x"]
    run = import_model(source_of(FIXTURES / name), tmp_path / "run", size=x.shape[1:3], groups=GROUPS.get(name))
    assert_opened_alike(export_model(run, tmp_path / "back"), run, x)


@pytest.mark.parametrize("name", ["kl_4_channels", "vq"])
def test_diffusers_opens_a_folder_whose_decoder_was_tuned(name, disc_set, tmp_path):
    run = import_model(FIXTURES / name, tmp_path / "run", size=(16,))
    frozen = ("encoder",) if name == "kl_4_channels" else ("encoder", "codebook")
    settings = train_config(steps=2, batch_size=8, freeze=frozen, mixture_components=0)
    model = replace(load(run).info.config.model, start_from=str(run))
    objective = Adversarial(reconstruction="l1", start=1, discriminator_width=8)
    tuned = fit(tiny_config(model=model, train=settings, objective=objective), disc_set, run=tmp_path / "tuned")
    back = export_model(tuned.info.run, tmp_path / "back")
    before, after = (load_file(folder / FILE) for folder in (FIXTURES / name, back))
    kept = {each for each in before if after[each].tobytes() == before[each].tobytes()}
    assert kept == {each for each in before if each.startswith(("encoder.", "quant_conv.", "quantize."))}
    assert_opened_alike(back, tuned.info.run, np.float32(disc_set.split("test").images[:2]) / 255)


def assert_opened_alike(back, run, x):
    """Diffusers opens the folder, and decodes codes of images to what the run makes of them."""
    import diffusers
    import torch

    kind = getattr(diffusers, json.loads((back / "config.json").read_text())["_class_name"])
    model, left_over = kind.from_pretrained(back, output_loading_info=True)
    assert not any(left_over.values()), left_over
    vae, params, _ = load(run)
    z = np.array(jax.jit(vae.encode)(params, x).mean)
    with torch.no_grad():
        image = model.decode(torch.from_numpy(z).permute(0, 3, 1, 2)).sample
    theirs = (image.permute(0, 2, 3, 1).numpy() + 1) / 2
    ours = np.asarray(jax.jit(vae.decode)(params, z).mean)
    assert np.max(np.abs(ours - theirs)) < TOLERANCE * np.max(np.abs(theirs))
