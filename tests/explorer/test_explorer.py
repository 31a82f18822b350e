import dataclasses
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from conftest import DENSE, mistake, saved_run, tiny_config, untrained
from PIL import Image
from serving import fetch, free_port, png, refused, served

from jaxvae import Autoencoder
from jaxvae.errors import UserError
from jaxvae.explore import explore, listen
from jaxvae.explorer import ends, moves, patience, server
from jaxvae.explorer.requests import read_draw, read_move
from jaxvae.explorer.session import open_session, warm_up
from jaxvae.inference import reconstruct
from jaxvae.runs.run import load


@pytest.fixture(scope="module")
def session(fitted_run):
    made = open_session(load(fitted_run), None, 10)
    warm_up(made)
    return made


@pytest.fixture(scope="module")
def address(session):
    with served(session) as at:
        yield at


MOVE = {"first": "test:0", "last": "test:1", "path": "linear", "degree": 0.0, "amounts": {}}


def test_the_page_loads_only_from_this_server(address):
    status, _, headers = fetch(address, "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for name in server.PAGE_FILES:
        assert re.search("https?:|//[a-z]+[.]", (server.PAGE / name).read_text()) is None
    assert fetch(address, "/../config.json")[0] == 404


def test_all_files_of_the_page_are_served_with_their_types(address):
    assert sorted(server.PAGE_FILES) == sorted(file.name for file in server.PAGE.iterdir())
    kinds = {"css": "text/css", "js": "text/javascript"}
    for name in set(server.PAGE_FILES) - {"page.html"}:
        status, content, headers = fetch(address, f"/{name}")
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kinds[name.split(".")[1]])
        assert content == (server.PAGE / name).read_bytes()
    names = "".join((server.PAGE / name).read_text() for name in server.PAGE_FILES)
    assert all(f"/{name}" in names for name in server.PAGE_FILES if name != "page.html")


def test_the_page_receives_what_the_run_offers(address, fitted_run):
    about = json.loads(fetch(address, "/about")[1])
    assert (about["run"], about["shape"], about["notes"]) == (fitted_run.name, [16, 16, 3], [])
    assert (about["first"], about["last"], about["test_images"]) == ("red=0", "red=1", 21)
    assert about["priors"] == ["fitted_mixture", "model"]
    values = {"red": ["1", "0"], "high": ["1", "0"], "width": ["small", "medium", "large"]}
    assert about["attributes"] == values
    assert set(about["missing_formats"]) <= {".mp4"}
    keys = {group: [slider["key"] for slider in sliders] for group, sliders in about["sliders"].items()}
    assert {"attribute:red", "attribute:width=small"} <= set(keys["attributes"])
    assert len(keys["units"]) == 3


def test_a_move_shows_the_image_on_the_path(address, session, disc_set):
    vae, params, _ = session.loaded
    status, content, headers = fetch(address, "/move", MOVE)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    expected = reconstruct(vae, params, disc_set.split("test").images[:1])[0]
    shown = png(content)
    assert shown.shape == (128, 128, 3)
    assert np.max(np.abs(shown[::8, ::8].astype(int) - expected)) <= 1


def test_sliders_move_the_code_by_their_amounts(address, session):
    row = session.end("test:0").row
    attribute, unit = session.sliders["attributes"][0], session.sliders["units"][0]
    moved = row + 1.5 * attribute.direction - unit.direction
    expected = moves.decode_rows(session.loaded, moved[None])[0]
    content = fetch(address, "/move", MOVE | {"amounts": {attribute.key: 1.5, unit.key: -1}})[1]
    assert np.max(np.abs(png(content)[::8, ::8].astype(int) - expected)) <= 1
    assert not np.array_equal(png(content), png(fetch(address, "/move", MOVE)[1]))


def test_a_sample_can_be_an_endpoint(address, session):
    draw = {"prior": "fitted_mixture", "seed": 3, "temperature": 0.5}
    drawn = json.loads(fetch(address, "/draw", draw)[1])
    assert len(drawn) == moves.DRAW_SIZE
    rows, _ = moves.build_sampler(session.loaded, "fitted_mixture")(3, 0.5)
    expected = moves.decode_rows(session.loaded, rows)
    content = fetch(address, "/move", MOVE | {"last": drawn[5]["name"], "degree": 1.0})[1]
    assert np.max(np.abs(png(content)[::8, ::8].astype(int) - expected[5])) <= 1
    sheet = png(fetch(address, "/draw.png", draw)[1])
    assert sheet.shape[1] > 2 * sheet.shape[0]


def test_an_upload_of_any_size_can_be_an_endpoint(address, session):
    file = io.BytesIO()
    Image.new("RGB", (300, 90), "red").save(file, "PNG")
    end = json.loads(fetch(address, "/upload?name=my%20face.png", file.getvalue())[1])
    assert end["label"] == "my face.png"
    assert fetch(address, "/move", MOVE | {"last": end["name"]})[0] == 200
    np.testing.assert_array_equal(session.uploads.get(end["name"]).image, np.full((16, 16, 3), (255, 0, 0)))


def test_a_bad_upload_gets_an_error_message_without_a_path(address, monkeypatch):
    answer = fetch(address, "/upload?name=..%2F..%2Fletter.txt", b"not a picture")
    refused(answer, "letter.txt cannot be read as an image")
    assert "/" not in json.loads(answer[1])["error"]
    refused(fetch(address, "/upload?name=empty.png", b""), "empty.png cannot be read as an image")
    large = io.BytesIO()
    Image.new("1", (4000, 30)).save(large, "PNG")
    monkeypatch.setattr(ends, "MAX_UPLOAD_PIXELS", 100_000)
    refused(fetch(address, "/upload?name=wide.png", large.getvalue()), "wide.png has 4000 x 30 pixels")
    refused(fetch(address, "/upload", bytes(ends.MAX_UPLOAD_BYTES + 1)), "limit of 20 MB")


def test_the_least_recently_used_uploads_are_dropped(disc_set, monkeypatch):
    monkeypatch.setattr(ends, "MAX_UPLOADS", 2)
    uploads, made = ends.Uploads(untrained(tiny_config(model=DENSE), disc_set)), []
    for shade in range(3):
        file = io.BytesIO()
        Image.new("L", (8, 8), shade).save(file, "PNG")
        made.append(uploads.add("x.png", file.getvalue()).name)
        if shade == 1:
            uploads.get(made[0])
    assert uploads.get(made[0]).image[0, 0, 0] == 0
    with pytest.raises(UserError, match="kept in memory until the explorer stops"):
        uploads.get(made[1])


@pytest.mark.parametrize(
    ("path", "body", "phrase"),
    [
        ("/end", {"name": "test:99"}, "images 0 to 20"),
        ("/end", {"name": "rad=1"}, "did you mean 'red'"),
        ("/end", {"name": "/etc/passwd"}, "no image is named '/etc/passwd'"),
        ("/end", {"name": "draw:model:0:1:12"}, "is not the name of a draw"),
        ("/end", {"name": "draw:modle:0:1:0"}, "did you mean 'model'"),
        ("/end", {"name": "draw:model:9999999999:1:0"}, "seed is 9999999999"),
        ("/end", {"name": "upload:abc"}, "upload it again"),
        ("/end", b"[1]", "not a JSON object"),
        ("/end", b"{", "not JSON"),
        ("/move", MOVE | {"degree": 1.5}, "degree is 1.5, but must be between 0 and 1"),
        ("/move", MOVE | {"degree": "half"}, "degree is half, but must be a number"),
        ("/move", MOVE | {"path": "winding"}, "unknown path 'winding'"),
        ("/move", MOVE | {"amounts": {"attribute:rad": 1}}, "did you mean 'attribute:red'"),
        ("/move", MOVE | {"amounts": {"unit:0": 1e9}}, "unit:0 is 1000000000.0"),
        ("/move", MOVE | {"amounts": []}, "amounts must be"),
        ("/move", {"first": "test:0"}, "last is None, but must be text"),
        ("/draw", {"prior": "model", "seed": 0.5, "temperature": 1}, "seed is 0.5"),
        ("/draw", {"prior": "model", "seed": 0, "temperature": -1}, "temperature is -1"),
        ("/move", b" " * 400_001, "limit of 0.4 MB"),
    ],
)
def test_impossible_requests_get_an_error_message(address, path, body, phrase):
    refused(fetch(address, path, body), phrase)


def test_numbers_no_slider_can_send_are_refused():
    for number in ("NaN", "Infinity", "-Infinity", "1" + "0" * 400, "true", "null"):
        with pytest.raises(UserError, match="degree is"):
            read_move(json.dumps(MOVE).replace('"degree": 0.0', f'"degree": {number}').encode())
    with pytest.raises(UserError, match="not JSON"):
        read_draw(b"[" * 100_000)


def test_requests_from_other_pages_are_refused(address):
    port = address.rpartition(":")[2]
    assert fetch(address, "/about", Host=f"evil.example:{port}")[0] == 403
    assert fetch(address, "/move", MOVE, Origin="http://evil.example")[0] == 403
    assert fetch(address, "/move", MOVE, Origin=f"http://127.0.0.1:{int(port) - 1}")[0] == 403
    assert fetch(address, "/move", MOVE, Origin=address)[0] == 200
    assert fetch(address, "/about", Host=f"localhost:{port}")[0] == 200
    assert fetch(address, "/about", Host="[")[0] == 403
    # Without an Origin, what the browser says of the site counts.
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert fetch(address, "/move", MOVE, **{"Sec-Fetch-Site": site})[0] == status


def test_a_failure_is_reported_and_does_not_stop_the_server(session):
    broken = session._replace(path=lambda *names: {}["lost"])
    with served(broken) as at:
        status, content, _ = fetch(at, "/move", MOVE)
        assert (status, "KeyError" in json.loads(content)["error"]) == (500, True)
        assert fetch(at, "/about")[0] == 200


def test_without_the_dataset_samples_and_uploads_work(fitted_run, tmp_path):
    loaded = load(fitted_run)
    loaded = loaded._replace(info=loaded.info._replace(data=loaded.info.data | {"path": str(tmp_path / "gone")}))
    session = open_session(loaded, None, 10)
    assert session.sliders == {}
    assert "are no longer in" in session.notes[0]
    assert session.end(session.first).label == "sample"
    assert not np.array_equal(session.end(session.first).row, session.end(session.last).row)
    with pytest.raises(UserError, match="gone"):
        session.end("test:0")
    with pytest.raises(UserError, match="nowhere"):
        open_session(loaded, tmp_path / "nowhere", 10)


def test_a_moved_dataset_is_found_at_the_given_place(fitted_run, disc_set, tmp_path):
    loaded = load(fitted_run)
    loaded = loaded._replace(info=loaded.info._replace(data=loaded.info.data | {"path": str(tmp_path / "gone")}))
    session = open_session(loaded, disc_set.path, 1)
    np.testing.assert_array_equal(session.end("test:3").image, disc_set.split("test").images[3])


def test_an_autoencoder_has_no_samples_and_uninformative_codes_have_no_attributes(disc_set):
    config = tiny_config(model=DENSE, objective=Autoencoder())
    loaded = untrained(config, disc_set)
    silent = loaded._replace(vae=loaded.vae._replace(encode=make_uninformative(loaded.vae.encode)))
    session = open_session(silent, None, 2)
    warm_up(session)
    assert session.sliders["attributes"] == []
    assert "Attributes are unavailable" in session.notes[0]
    with served(session) as at:
        assert json.loads(fetch(at, "/about")[1])["priors"] == []
        assert fetch(at, "/move", MOVE)[0] == 200


def make_uninformative(encode):
    def quiet(params, x):
        posterior = encode(params, x)
        return dataclasses.replace(posterior, mean=0.0 * posterior.mean)

    return quiet


def test_bad_requests_of_explore(call, dense_run, monkeypatch):
    with listen(free_port()) as taken:
        port = taken.getsockname()[1]
        mistake(
            call(explore, dense_run, "--port", port), f"cannot listen on port {port} of 127.0.0.1", "another --port"
        )
    mistake(call(explore, dense_run, "--port", 70000), "--port is 70000, but must be between 1 and 65535")
    mistake(call(explore, dense_run, "--units", 0), "--units is 0")
    mistake(call(explore, "nowhere", "--port", free_port()), "the run nowhere does not exist")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    mistake(call(explore, dense_run), "needs Starlette and uvicorn", "pip install 'jaxvae[explore]'")


def test_the_command_serves_a_run_folder_that_was_moved_until_it_is_interrupted(disc_set, tmp_path):
    run = saved_run(tmp_path / "made" / "dense", tiny_config(model=DENSE), disc_set)
    moved = shutil.move(run, tmp_path / "moved")
    command = [sys.executable, "-m", "jaxvae.explore", moved, "--no-open", "--port", str(free_port()), "--units", "1"]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as it:
        assert it.stdout.readline().startswith("opening ")
        at = it.stdout.readline().split(" on ")[1].split(";")[0]
        assert json.loads(fetch(at, "/about")[1])["run"] == "moved"
        assert fetch(at, "/move", MOVE)[0] == 200
        it.send_signal(signal.SIGINT)
        out, err = it.communicate(timeout=30)
    assert (it.returncode, out.strip(), "Traceback" in err) == (0, "stopped", False)


def test_a_lone_surrogate_is_refused(address):
    body = json.dumps({**MOVE, "first": "\ud800"}).encode()
    refused(fetch(address, "/move", body), "first holds half of a surrogate pair")


def test_a_slow_upload_is_cut_off(address, monkeypatch):
    monkeypatch.setattr(server, "MAX_REQUEST_SECONDS", 0.2)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /upload?name=x HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n\r\nx"
        connection.sendall(head.encode())
        answer = b""
        while chunk := connection.recv(4096):  # Ends when the server closes the connection.
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"took longer than" in answer


@pytest.mark.parametrize("whole_request_first", [False, True])
def test_a_head_that_does_not_arrive_is_cut_off(address, monkeypatch, whole_request_first):
    monkeypatch.setattr(patience, "MAX_HEAD_SECONDS", 0.3)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        if whole_request_first:
            connection.sendall(f"GET /base.css HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            connection.recv(100_000)
        begun = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            while time.monotonic() < begun + 5:  # A byte now and then is not enough.
                connection.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - begun < 4


def test_an_answer_may_take_longer_than_a_head(session, monkeypatch):
    monkeypatch.setattr(patience, "MAX_HEAD_SECONDS", 0.2)
    monkeypatch.setattr(type(session), "images", lambda *_: time.sleep(0.6) or np.zeros((1, 8, 8, 3), np.uint8))
    with served(session) as address:
        assert fetch(address, "/move", MOVE)[0] == 200
