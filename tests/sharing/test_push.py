"""Pushing a run: what goes there, what the card says, and what is refused."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pytest
import yaml
from conftest import DENSE, mistake, saved_run, tiny_config
from parity.comparison import FIXTURES

import jaxvae as jv
from jaxvae.push import push
from jaxvae.runs import checkpoint
from jaxvae.runs.run import about, write_config
from jaxvae.sharing.card import Shared, own_kinds, write_card

pytest_plugins = ["hub.hub_fixtures"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # Of how huggingface_hub uploads.

FILES = {"README.md", "jaxvae.json", "metrics.jsonl", "model.safetensors"}
IMAGES = {"images/draws.png", "images/walk.png", "images/reconstructions.png"}


def number(mean, error=0.5):
    return {"mean": mean, "standard_error": error}


REPORT = {  # As `evaluate` writes it; tests/evaluation/test_report.py holds one of its own against the card.
    "format_version": 1,
    "protocol": {
        "run": "/home/jane/runs/full", "step": 1, "parameters": "last", "data": "discs", "data_sha256": "ab",
        "split": "test", "n": 6, "pixels": "dequantized", "binarization": None, "bit_depth": 8, "likelihood": "normal",
        "prior": "standard_normal", "k": 4, "seed": 0, "backend": "cpu",
    },
    "elbo_nats": number(-1234.5), "rate_nats": number(1.5), "distortion_nats": number(1233.0),
    "log_likelihood_nats": [{"k": 1, **number(-1235)}, {"k": 4, **number(-1230.25, None)}],
    "bits_per_dim": None,
    "pictures": {
        "psnr_db": number(12.346), "ssim": None, "squeeze_distance": None, "frechet_reconstructions": None,
        "frechet_samples": {"features": "/home/jane/mine.py:features", "distance": 0.25},
    },
}  # fmt: skip


def front_matter(card):
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(head), body


@pytest.mark.slow
def test_a_pushed_run_gives_the_same_numbers_bit_for_bit(call, hub, full_run, disc_set):
    code, out, err = call(push, full_run, "jane/discs", "--license", "apache-2.0", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["url"], result["visibility"]) == (f"{hub.endpoint}/jane/discs", "private")
    assert hub.repositories["jane/discs"].private
    assert set(hub.files("jane/discs")) - {".gitattributes"} == FILES | IMAGES == set(result["files"])
    here, there = jv.load(full_run), jv.load("hub:jane/discs")
    images = disc_set.split("test").images
    assert there.reconstruct(images).tobytes() == here.reconstruct(images).tobytes()
    for prior in ("fitted_mixture", "fitted_flow"):
        assert there.sample(4, seed=3, prior=prior).tobytes() == here.sample(4, seed=3, prior=prior).tobytes()
    assert jax.tree.all(jax.tree.map(np.array_equal, here.params, there.params))
    assert hub.agents <= {agent for agent in hub.agents if "torch" not in agent}


def test_the_card_has_the_numbers_of_the_newest_evaluation_with_their_protocol(call, hub, full_run, tmp_path):
    run = shutil.copytree(full_run, tmp_path / "runs" / "full")
    (run / "evaluation").mkdir()
    report = run / "evaluation" / "test-model-k4-seed0.json"
    report.write_text(json.dumps(REPORT))
    later = {"attributes": {"run": "x"}, "other step": {**REPORT, "protocol": {"step": 2}}, "damaged": []}
    for name, content in later.items():
        (run / "evaluation" / f"{name}.json").write_text(json.dumps(content))
    told = call(push, run, "jane/discs", "--license", "mit", "--images", "draws", "--public")[1]
    assert str(report) in told
    assert not hub.repositories["jane/discs"].private
    files = hub.files("jane/discs")
    head, body = front_matter(files["README.md"].decode())
    assert (head["license"], head["library_name"]) == ("mit", "jaxvae")
    assert head["pipeline_tag"] == "unconditional-image-generation"
    (measured,) = head["model-index"][0]["results"]
    assert {metric["type"]: metric["value"] for metric in measured["metrics"]} == {
        "elbo_nats": -1234.5, "rate_nats": 1.5, "distortion_nats": 1233.0, "log_likelihood_nats": -1230.25,
        "psnr_db": 12.346, "frechet_samples": 0.25,
    }  # fmt: skip
    protocol = measured["dataset"]["args"]
    assert (measured["dataset"]["split"], protocol["k"], protocol["n"], protocol["seed"]) == ("test", 4, 6, 0)
    assert "| PSNR of reconstructions (dB) | 12.35 ± 0.50 |" in body
    assert "| bound on log p(x), K = 4 (nats) | -1230.25 |" in body
    assert 'jv.load("hub:jane/discs")' in body
    # Nothing tells where on this machine the run and its images were.
    for name in set(files) - {"model.safetensors"}:
        assert str(tmp_path.parent).encode() not in files[name], name
        assert str(full_run.parent.parent).encode() not in files[name], name
        assert b"/home/jane" not in files[name], name


def test_without_an_evaluation_the_card_and_the_output_say_so(call, hub, full_run):
    out = call(push, full_run, "jane/discs", "--license", "mit", "--images", "walk")[1]
    assert "no numbers on the card" in out
    head, body = front_matter(hub.files("jane/discs")["README.md"].decode())
    assert "model-index" not in head
    assert "has not been measured" in body


def test_what_exists_is_replaced_only_on_request_and_leaves_nothing_old(call, hub, full_run):
    line = [push, full_run, "jane/discs", "--license", "mit", "--images"]
    assert call(*line, "draws", "walk")[0] == 0
    mistake(call(*line, "walk"), "jane/discs exists and has a README.md; --overwrite")
    mistake(call(*line, "walk", "--overwrite", "--public"), "exists and is private; remove --public")
    assert call(*line, "walk", "--overwrite")[0] == 0
    assert set(hub.files("jane/discs")) == {".gitattributes", "images/walk.png", *FILES}
    hub.put("jane/open", {"notes.txt": b"mine"})
    mistake(call(push, full_run, "jane/open", "--license", "mit"), "exists and is public; add --public")
    assert call(push, full_run, "jane/open", "--license", "mit", "--public", "--images", "walk")[0] == 0
    assert hub.files("jane/open")["notes.txt"] == b"mine"


def test_mistakes_are_told_in_a_sentence(call, hub, full_run, monkeypatch):
    mistake(call(push, full_run, "jane/discs"), "no licence is given", "--license apache-2.0")
    mistake(call(push, full_run, "jane/discs", "--license", "MIT License"), "the licence is 'MIT License'")
    mistake(call(push, full_run, "jane", "--license", "mit"), "expected OWNER/NAME")
    mistake(call(push, "nowhere", "jane/discs", "--license", "mit"), "the run nowhere does not exist")
    assert hub.requests == []
    line = [push, full_run, "jane/discs", "--images", "walk", "--license"]
    mistake(call(*line, "nonsense"), '"license" must be one of')
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    mistake(call(*line, "mit"), "does not accept the token")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    mistake(call(*line, "mit"), "http://127.0.0.1:9 cannot be reached")
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "nowhere")
    mistake(call(*line, "mit"), "pushing to jane/discs needs a token")


def test_a_run_that_has_not_ended_is_refused(call, hub, disc_set, full_run, tmp_path_factory):
    config, run = tiny_config(model=DENSE), tmp_path_factory.mktemp("runs") / "going"
    write_config(run, config)
    mistake(call(push, run, "jane/discs", "--license", "mit"), "holds no checkpoint yet")
    with checkpoint.open_checkpoints(run / "checkpoints") as checkpointer:
        trees = {"params": jv.load(full_run).params}
        checkpoint.save(checkpointer, 3, trees, about=about(config, disc_set), objective=None)
    mistake(call(push, run, "jane/discs", "--license", "mit"), "has not ended: its checkpoint is of step 3 of 40")
    assert hub.requests == []


def test_an_autoencoder_without_images_has_neither_draws_nor_reconstructions(call, hub, disc_set, tmp_path):
    config = tiny_config(model=DENSE, objective=jv.Autoencoder(), data=replace(tiny_config().data, pixels="scaled"))
    moved = replace(disc_set, path=tmp_path / "moved")
    run = saved_run(tmp_path / "runs" / "plain", config, moved)
    out = call(push, run, "jane/plain", "--license", "mit")[1]
    assert "no draws on the card" in out
    assert "no reconstructions on the card" in out
    head, body = front_matter(hub.files("jane/plain")["README.md"].decode())
    assert head["pipeline_tag"] == "image-to-image"
    assert "images/" not in body
    code, _, err = call(push, run, "jane/other", "--license", "mit", "--images", "draws")
    assert (code, "has no prior worth drawing from" in err) == (2, True)


def test_a_converted_model_goes_back_byte_for_byte(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = FIXTURES / "tiny"
    jv.load(jv.import_model(source, "runs/tiny")).push("jane/tiny", license="mit")
    jv.export_model("hub:jane/tiny", "back")
    jv.export_model("runs/tiny", "runs/expected")
    for file in ("config.json", "diffusion_pytorch_model.safetensors"):
        assert (Path("back") / file).read_bytes() == (Path("runs") / "expected" / file).read_bytes()
    assert "converted, not trained, with jaxvae" in hub.files("jane/tiny")["README.md"].decode()


@dataclass(frozen=True, kw_only=True)
class OwnDense(jv.MLP):
    """A kind that jaxvae does not have."""


def test_the_card_of_a_kind_of_ones_own_says_that_its_file_is_needed(full_run):
    loaded = jv.load(full_run)
    model = OwnDense(hidden=(8,), activation="tanh", latent=3)
    config = replace(loaded.info.config, model=model)
    assert list(own_kinds(config)) == ["model own_dense"]
    own = jv.Run(*loaded._replace(info=loaded.info._replace(config=config)))
    body = write_card(Shared("jane/discs", own, "mit", [], None, {}))
    assert "hub:jane/discs --code FILE.py" in body
    assert "kinds that jaxvae does not have (model own_dense)" in body


def test_a_run_pushes_itself_from_python(hub, full_run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    report = jv.load(full_run).push("jane/discs", license="mit", images=["walk"])
    assert report.url.endswith("/jane/discs")
    assert jv.load(f"hub:jane/discs@{report.commit}").info.step == 1
    assert list(Path.cwd().iterdir()) == [tmp_path / "runs"]
