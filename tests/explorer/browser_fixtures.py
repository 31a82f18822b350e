"""A pytest plugin: an explorer of the run on discs, a headless Chromium, and the page in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import pytest
from browsing import opened
from serving import free_port


@contextlib.contextmanager
def explorer(run, port):
    command = [sys.executable, "-m", "jaxvae.explore", run, "--no-open", "--port", str(port)]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert "opening" in server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0


@pytest.fixture(scope="session")
def address(disc_run):
    with explorer(disc_run, free_port()) as at:
        yield at


@pytest.fixture
def explorer_of():
    return lambda run: explorer(run, free_port())


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as page:
        yield page
