"""The explorer's tools: made faces, gallery, map, similar images, sheet, and what is saved."""

import io
import json
import sys

import numpy as np
import pytest
from conftest import saved_run, tiny_config
from PIL import Image
from serving import fetch, png, refused, served

from jaxvae import Conv
from jaxvae.codes import flatten
from jaxvae.data.prepared import Prepared
from jaxvae.decode import decode
from jaxvae.explorer import exports, moves
from jaxvae.explorer.gallery import attribute_choices
from jaxvae.explorer.requests import Size
from jaxvae.explorer.session import open_session
from jaxvae.inference import code_rows, reconstruct
from jaxvae.interpolate import interpolate
from jaxvae.latents.code_files import read_codes
from jaxvae.latents.maps import lay_out
from jaxvae.latents.paths.walks import sheet
from jaxvae.runs.run import load
from jaxvae.vae import code_shape

WALK = {"first": "test:0", "last": "test:1", "path": "linear", "degree": 0.5, "amounts": {}}
SIZE = {"side": 96, "smooth": False}


@pytest.fixture(scope="module")
def session(fitted_run):
    return open_session(load(fitted_run), None, 10)


@pytest.fixture(scope="module")
def address(session):
    with served(session) as at:
        yield at


def ask(address, path, body):
    status, content, _ = fetch(address, path, body)
    assert status == 200, content
    return json.loads(content)


def rows(session, *names):
    return np.stack([session.end(name).row for name in names])


def test_a_point_of_a_walk_is_a_face(address, session):
    unit = session.sliders["units"][0]
    face = WALK | {"degree": 0.25, "amounts": {unit.key: 2.0}}
    first, last = rows(session, "test:0", "test:1")
    end = ask(address, "/end", {"name": face})
    assert (end["name"], end["label"]) == (face, "walk, 25 %, 1 change")
    assert "psnr_db" not in end
    # As an end of another walk, it is where that walk begins.
    shown = png(fetch(address, "/move", WALK | {"first": face, "degree": 0.0})[1])
    expected = moves.decode_rows(session.loaded, (0.75 * first + 0.25 * last + 2 * unit.direction)[None])[0]
    assert np.max(np.abs(shown[::8, ::8].astype(int) - expected)) <= 1


def test_a_mix_is_a_face(address, session):
    face = {"mix": [["test:0", 1.0], ["test:1", 1.0], [WALK, 2.0]]}
    assert ask(address, "/end", {"name": face})["label"] == "mix of 3"
    shown = png(fetch(address, "/picture.png", {"name": face, "side": 64, "smooth": False})[1])
    expected = moves.decode_rows(session.loaded, rows(session, "test:0", "test:1").mean(axis=0)[None])[0]
    assert np.max(np.abs(shown[::4, ::4].astype(int) - expected)) <= 1


def test_an_image_comes_with_its_reconstruction_and_error(address, session, disc_set):
    original = disc_set.split("test").images[2]
    vae, params, _ = session.loaded
    decoded = reconstruct(vae, params, original[None])[0]
    end = ask(address, "/end", {"name": "test:2"})
    error = np.mean((original / 255 - decoded / 255) ** 2)
    assert end["psnr_db"] == pytest.approx(-10 * np.log10(error), abs=0.01)
    assert end["decoded"] != end["picture"]


def test_the_gallery_shows_pages_of_images_with_the_attributes(address, disc_set):
    everything = ask(address, "/gallery", {"page": 0})
    assert (everything["total"], everything["pages"], everything["names"][20]) == (21, 1, "test:20")
    attributes = disc_set.split("test").attributes
    chosen = np.flatnonzero((attributes[:, 0] == 1) & (attributes[:, 2] == 2))
    found = ask(address, "/gallery", {"page": 0, "where": {"red": "1", "width": "large"}})
    assert found["names"] == [f"test:{index}" for index in chosen]
    status, content, headers = fetch(address, "/thumbnail/3.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    np.testing.assert_array_equal(png(content)[::8, ::8], disc_set.split("test").images[3])


def test_values_are_offered_in_their_order_unless_they_are_yes_and_no(disc_set):
    unnamed = Prepared(disc_set.path, disc_set.info | {"classes": {}})
    assert attribute_choices(unnamed) == {
        "red": {"1": 1, "0": 0}, "high": {"1": 1, "0": 0}, "width": {"0": 0, "1": 1, "2": 2}
    }  # fmt: skip
    assert list(attribute_choices(unnamed)["red"]) == ["1", "0"]
    assert list(attribute_choices(unnamed)["width"]) == ["0", "1", "2"]


def test_the_gallery_has_as_many_pages_as_it_needs(address, monkeypatch):
    from jaxvae.explorer import gallery

    monkeypatch.setattr(gallery, "PAGE_IMAGES", 10)
    last = ask(address, "/gallery", {"page": 2})
    assert (last["pages"], last["names"]) == (3, ["test:20"])
    refused(fetch(address, "/gallery", {"page": 3}), "page is 3, but there are only 3 pages")


def test_the_map_places_images_and_faces_in_one_plane(address, session, disc_set):
    images, attributes = disc_set.split("test")
    vae, params, _ = session.loaded
    answer = ask(address, "/map", {"attribute": "width"})
    expected = lay_out(code_rows(vae, params, images), "pca", 0)
    np.testing.assert_allclose(answer["points"], expected.points, atol=1e-3)
    assert tuple(answer["axes"]) == expected.axes
    assert answer["groups"] == attributes[:, 2].tolist()
    assert answer["labels"] == ["small", "medium", "large"]
    assert answer["counts"] == np.bincount(attributes[:, 2]).tolist()
    places = ask(address, "/places", {"faces": ["test:4", WALK]})
    np.testing.assert_allclose(places[0], answer["points"][4], atol=1e-3)
    np.testing.assert_allclose(places[1], np.mean(answer["points"][:2], axis=0), atol=1e-3)
    trail = ask(address, "/trail", WALK)
    np.testing.assert_allclose([trail[0], trail[-1]], answer["points"][:2], atol=1e-3)
    assert "groups" not in ask(address, "/map", {"attribute": ""})


def test_the_rarest_values_have_no_colour(disc_set, monkeypatch):
    from jaxvae.explorer import gallery

    monkeypatch.setattr(gallery, "MAX_COLORS", 2)
    widths = disc_set.split("test").attributes[:, 2]
    coloring = gallery.color_by(disc_set, np.arange(21), "width")
    names, counts = ["small", "medium", "large"], np.bincount(widths)
    (dropped,) = set(names) - set(coloring.labels)
    assert counts[names.index(dropped)] == counts.min()
    labels = [coloring.labels[group] if group >= 0 else dropped for group in coloring.groups]
    assert labels == [names[width] for width in widths]


def test_the_most_similar_images_are_the_nearest_codes(address, session):
    everything = session.plane().rows
    answer = ask(address, "/like", {"name": "test:7"})
    distances = np.linalg.norm(everything - everything[7], axis=1)
    order = [f"test:{index}" for index in np.argsort(distances)[:8]]
    assert [each["name"] for each in answer["nearest"]] == order
    assert answer["nearest"][0] == {"name": "test:7", "distance": pytest.approx(0, abs=1e-4)}
    assert answer["compared"] == 21


def test_the_sheet_is_that_of_interpolate(address, session):
    corners = [f"test:{index}" for index in range(4)]
    request = {"corners": corners, "path": "spherical", "cells": 3}
    cells = ask(address, "/sheet", request)
    assert [cells[index]["name"] for index in (0, 2, 6, 8)] == corners
    vae, params, _ = session.loaded
    path = moves.build_named_path(session.loaded, "spherical")
    expected = sheet(vae, params, path, list(rows(session, *corners)), np.linspace(0, 1, 3))
    found = np.stack([code_of(session, cell["name"]) for cell in cells])  # Taken as faces.
    np.testing.assert_allclose(found, flatten(expected.codes), atol=2e-3)
    saved = png(fetch(address, "/sheet.png", request)[1])
    assert np.max(np.abs(saved[:128, :128][::8, ::8].astype(int) - expected.images[0])) <= 1


def code_of(session, name):
    from jaxvae.explorer.faces import parse_face

    return session.end(parse_face(name)).row


def test_a_picture_has_the_size_that_is_asked_for(address):
    for side, smooth in ((64, False), (100, True), (1024, True)):
        shown = png(fetch(address, "/picture.png", {"name": WALK, "side": side, "smooth": smooth})[1])
        assert shown.shape == (side, side, 3)
    sharp = png(fetch(address, "/picture.png", {"name": WALK, "side": 64, "smooth": False})[1])
    np.testing.assert_array_equal(sharp, sharp[::4, ::4].repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize(("suffix", "kind"), [(".gif", "GIF"), (".webp", "WEBP")])
def test_a_walk_is_saved_as_an_animation(address, suffix, kind):
    request = WALK | SIZE | {"format": suffix, "frames": 5, "seconds": 1.0}
    status, content, headers = fetch(address, "/animation", request)
    assert (status, headers["Content-Type"]) == (200, f"image/{suffix[1:]}")
    with Image.open(io.BytesIO(content)) as walk:
        assert (walk.format, walk.n_frames, walk.size) == (kind, 8, (96, 96))  # There, and back without the ends.
        walk.seek(1)
        walk.load()
        assert walk.info["duration"] == 200


def test_a_smooth_walk_is_a_smaller_file_than_an_exact_one(address):
    request = WALK | {"side": 512, "smooth": True, "format": ".webp", "frames": 4, "seconds": 1.0}
    smooth = fetch(address, "/animation", request)[1]
    with Image.open(io.BytesIO(smooth)) as walk:
        frames = [np.asarray(walk.convert("RGB")) for index in range(walk.n_frames) if walk.seek(index) is None]
    exact = exports.animation(np.stack(frames), ".webp", 1.0, Size(side=512, smooth=False))
    assert len(smooth) < len(exact) / 2


def test_a_walk_is_saved_as_a_video(address):
    pytest.importorskip("imageio_ffmpeg")
    request = WALK | SIZE | {"format": ".mp4", "frames": 5, "seconds": 1.0}
    status, content, headers = fetch(address, "/animation", request)
    assert (status, headers["Content-Type"], content[4:8]) == (200, "video/mp4", b"ftyp")


def test_without_ffmpeg_the_page_is_told_why_there_are_no_videos(address, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    missing = json.loads(fetch(address, "/about")[1])["missing_formats"]
    assert list(missing) == [".mp4"]
    assert "pip install 'jaxvae[video]'" in missing[".mp4"]
    request = WALK | SIZE | {"format": ".mp4", "frames": 5, "seconds": 1.0}
    refused(fetch(address, "/animation", request), "needs ffmpeg")


def test_kept_faces_are_saved_with_their_codes_for_decode_and_interpolate(address, session, fitted_run, call, tmp_path):
    faces = ["test:3", WALK, {"mix": [["test:0", 1], ["test:1", 3]]}]
    file = tmp_path / "shelf.npz"
    file.write_bytes(fetch(address, "/codes.npz", {"faces": faces})[1])
    vae, params, _ = session.loaded
    saved = read_codes(file, code_shape(vae, params))
    np.testing.assert_allclose(saved.mean, np.stack([code_of(session, face) for face in faces]), rtol=1e-6)
    assert saved.names == ("0-test:3", "1-walk, 50 %", "2-mix of 2")
    code, out, err = call(decode, fitted_run, file, "--out", tmp_path / "faces.png")
    assert (code, err) == (0, ""), out
    expected = moves.decode_rows(session.loaded, np.asarray(saved.mean))
    with Image.open(tmp_path / "faces.png") as sheet_image:
        assert np.max(np.abs(np.asarray(sheet_image)[:128, :128][::8, ::8].astype(int) - expected[0])) <= 1
    assert call(decode, file, "--out", tmp_path / "faces")[0] == 0  # The file knows its run.
    assert len(list((tmp_path / "faces").iterdir())) == 3
    walk = (fitted_run, "--from", f"{file}:0", "--to", f"{file}:2", "--out", tmp_path / "walk.png")
    assert call(interpolate, *walk)[0] == 0


def test_codes_that_are_maps_are_saved_in_their_shape(disc_set, tmp_path):
    config = tiny_config(model=Conv(latent_kind="spatial", latent=2, channels=(4, 4)))
    spatial = open_session(load(saved_run(tmp_path / "maps", config, disc_set)), None, 2)
    with served(spatial) as at:
        (tmp_path / "shelf.npz").write_bytes(fetch(at, "/codes.npz", {"faces": ["test:0", WALK]})[1])
        assert len(ask(at, "/like", {"name": WALK})["nearest"]) == 8
    vae, params, _ = spatial.loaded
    saved = read_codes(tmp_path / "shelf.npz", code_shape(vae, params))
    np.testing.assert_allclose(flatten(saved.mean)[0], spatial.end("test:0").row, rtol=1e-6)


def test_without_the_dataset_its_tools_say_so(fitted_run, tmp_path):
    loaded = load(fitted_run)
    loaded = loaded._replace(info=loaded.info._replace(data=loaded.info.data | {"path": str(tmp_path / "gone")}))
    with served(open_session(loaded, None, 1)) as at:
        assert json.loads(fetch(at, "/about")[1])["attributes"] == {}
        for path, body in (("/gallery", {"page": 0}), ("/map", {"attribute": ""}), ("/thumbnail/0.png", None)):
            refused(fetch(at, path, body), "needs the dataset, which is not available")


@pytest.mark.parametrize(
    ("path", "body", "phrase"),
    [
        ("/end", {"name": WALK | {"path": "winding"}}, "unknown path 'winding'"),
        ("/end", {"name": WALK | {"amounts": {"unit:99": 1}}}, "unknown slider 'unit:99'"),
        ("/end", {"name": {"mix": [["test:0", 1], ["test:99", 1]]}}, "test:99 does not exist"),
        ("/gallery", {"page": 0, "where": {"rad": "1"}}, "no attribute 'rad': did you mean 'red'"),
        ("/gallery", {"page": 0, "where": {"red": "2"}}, "red has no value '2'"),
        ("/gallery", {"page": 0, "where": []}, "where must be an object"),
        ("/gallery", {"page": 0.5}, "page is 0.5, but must be a whole number"),
        ("/gallery", {"page": -1}, "page is -1"),
        ("/thumbnail/21.png", None, "test:21 does not exist; test has images 0 to 20"),
        ("/map", {"attribute": "rad"}, "no attribute 'rad'"),
        ("/map", {}, "attribute is None"),
        ("/places", {"faces": []}, "faces has 0 items, but must have 1 to 100"),
        ("/places", {"faces": ["test:0"] * 101}, "faces has 101 items"),
        ("/codes.npz", {"faces": "test:0"}, "faces is test:0, but must be a list"),
        ("/codes.npz", {"faces": ["upload:00"]}, "kept in memory until the explorer stops"),
        ("/sheet", {"corners": ["test:0"] * 3, "path": "linear", "cells": 3}, "corners has 3 items, but must have 4"),
        ("/sheet", {"corners": ["test:0"] * 4, "path": "linear", "cells": 12}, "cells is 12"),
        ("/picture.png", {"name": "test:0", "side": 2000, "smooth": True}, "side is 2000, but must be between 64"),
        ("/picture.png", {"name": "test:0", "side": 64, "smooth": 1}, "smooth is 1, but must be true or false"),
        ("/animation", WALK | SIZE | {"format": ".avi", "frames": 9, "seconds": 1}, "format is '.avi'"),
        ("/animation", WALK | SIZE | {"format": ".gif", "frames": 201, "seconds": 1}, "frames is 201"),
        ("/animation", WALK | SIZE | {"format": ".gif", "frames": 9, "seconds": 0}, "seconds is 0"),
        (
            "/animation",
            WALK | {"side": 1024, "smooth": True, "format": ".gif", "frames": 90, "seconds": 1},
            "90 frames of 1024 pixels are too many; at this size the limit is 57 frames",
        ),
    ],
)
def test_impossible_requests_get_a_sentence(address, path, body, phrase):
    refused(fetch(address, path, body), phrase)
