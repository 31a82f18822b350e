"""`python -m jaxvae.explore [RUN]`: a browser page for exploring latent space."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jaxvae.cli import check_count, run_command, say

if TYPE_CHECKING:
    import socket

HOST = "127.0.0.1"
MAX_CONNECTIONS = 100  # A browser opens six.


def explore(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    port: int = 7860,
    open_: Annotated[bool, tyro.conf.arg(name="open")] = True,
    units: int = 10,
    data: Path | None = None,
) -> None:
    """Serves a page on localhost: walk between images, change attributes, sample, mix, keep and export faces.

    The page needs no network access, and requests from other pages are rejected. Press Ctrl-C to stop.

    Example: python -m jaxvae.explore runs/NAME --port 8000

    Args:
        run: The run's folder; defaults to the newest in runs/.
        port: Port on 127.0.0.1.
        open_: Open the page in the browser.
        units: Maximum number of unit sliders, for the units of highest rate.
        data: The prepared dataset, if it has moved since the run was trained.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run

    if not 1 <= port <= 65535:
        raise UserError(f"--port is {port}, but must be between 1 and 65535.")
    check_count("--units", units, 1000, "the page cannot show more sliders")
    require_run(run)
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(
            f"the explorer needs Starlette and uvicorn, which cannot be imported ({error}); "
            "pip install 'jaxvae[explore]'."
        ) from error
    import webbrowser
    from contextlib import suppress

    from jaxvae.explorer.patience import TimedProtocol
    from jaxvae.explorer.server import build_app
    from jaxvae.explorer.session import open_session, warm_up
    from jaxvae.runs.run import load

    with listen(port) as listener:  # First, because the rest takes some seconds.
        loaded = load(run)
        say(f"opening {loaded.info.run}, this takes some seconds")
        session = open_session(loaded, data, units)
        warm_up(session)
        address = f"http://{HOST}:{port}"
        say(f"exploring {session.loaded.info.run} on {address}; press Ctrl-C to stop")
        if open_:
            webbrowser.open(address)  # Requests before the server runs wait in the listener's queue.
        config = uvicorn.Config(
            build_app(session), log_level="warning", access_log=False, lifespan="off", ws="none",
            server_header=False, http=TimedProtocol, timeout_graceful_shutdown=1, limit_concurrency=MAX_CONNECTIONS,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # Ctrl-C; whether the server passes it on depends on timing.
            uvicorn.Server(config).run(sockets=[listener])
        print("\nstopped")


def listen(port: int) -> "socket.socket":
    """Returns a socket listening on a port of localhost; raises UserError if it cannot."""
    import os
    import socket

    from jaxvae.errors import UserError

    listener = socket.socket()
    try:
        if os.name == "posix":  # Lets a restarted server reuse the port while old connections are closing.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(f"cannot listen on port {port} of {HOST} ({error.strerror}); choose another --port.") from error
    return listener


if __name__ == "__main__":
    run_command(explore, "explore")
