"""`python -m jaxvae.explore [RUN]`: a page in the browser to walk through latent space by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jaxvae.cli import run_command

if TYPE_CHECKING:
    import socket

HOST = "127.0.0.1"


def explore(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    port: int = 7860,
    open_: Annotated[bool, tyro.conf.arg(name="open")] = True,
    units: int = 10,
    data: Path | None = None,
) -> None:
    """Serves a page on this machine alone: slide between two pictures, move attributes and units, draw new pictures.

    The page needs no network, and nothing else on it may ask it. Ctrl-C ends it.

    Args:
        run: The run's folder; the newest in runs/ when left out.
        port: Of 127.0.0.1.
        open_: Open the page in the browser.
        units: Sliders for so many of the units that say most, or as many as a code has.
        data: The prepared data set, where it is no longer where the run found it.
    """
    from jaxvae.errors import UserError

    if not 1 <= port <= 65535:
        raise UserError(f"--port is {port}, but must be between 1 and 65535.")
    if units < 1:
        raise UserError(f"--units is {units}, but must be at least 1.")
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(
            f"the explorer needs Starlette and uvicorn, which cannot be imported ({error}); "
            "pip install 'jaxvae[explore]' brings them."
        ) from error
    import webbrowser
    from contextlib import suppress

    from jaxvae.explorer.server import build_app
    from jaxvae.explorer.session import open_session, warm_up
    from jaxvae.runs.run import load

    with listen(port) as listener:  # First, since what follows takes some seconds.
        loaded = load(run)
        print(f"opening {loaded.info.run}, which takes some seconds", flush=True)
        session = open_session(loaded, data, units)
        warm_up(session)
        address = f"http://{HOST}:{port}"
        print(f"exploring {session.loaded.info.run} on {address}; Ctrl-C ends it", flush=True)
        if open_:
            webbrowser.open(address)  # What it asks before the server runs waits in the listener's queue.
        config = uvicorn.Config(
            build_app(session), log_level="warning", access_log=False, lifespan="off", ws="none",
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # How one ends it; whether the server passes it on depends on the moment.
            uvicorn.Server(config).run(sockets=[listener])
        print("\nended")


def listen(port: int) -> "socket.socket":
    """A socket that listens on a port of this machine alone; `UserError` where it cannot."""
    import os
    import socket

    from jaxvae.errors import UserError

    listener = socket.socket()
    try:
        if os.name == "posix":  # Started again, it need not wait for the last one's connections to fade.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(f"port {port} of {HOST} cannot be had ({error.strerror}); give another --port.") from error
    return listener


if __name__ == "__main__":
    run_command(explore, "explore")
