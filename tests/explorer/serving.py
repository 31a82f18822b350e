"""A server of an explorer session, and requests to it."""

import io
import json
import socket
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import uvicorn
from PIL import Image

from jaxvae.explore import listen
from jaxvae.explorer.patience import TimedProtocol
from jaxvae.explorer.server import build_app


@contextmanager
def served(session):
    """The address of a server of the session, in a thread."""
    with listen(free_port()) as listener:
        config = uvicorn.Config(build_app(session), log_level="critical", lifespan="off", ws="none", http=TimedProtocol)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(address, path, body=None, **headers):
    """(status, content, headers); a dict is sent as JSON."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(f"{address}{path}", data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def refused(answer, *phrases):
    status, content, _ = answer
    assert status == 400
    sentence = json.loads(content)["error"]
    for phrase in phrases:
        assert phrase in sentence


def png(picture):
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)
