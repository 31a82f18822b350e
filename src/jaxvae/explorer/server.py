"""HTTP endpoints of the explorer's page, returning JSON, PNG and GIF."""

import asyncio
import base64
import io
import tempfile
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from jaxvae.errors import UserError
from jaxvae.explorer import ends, moves
from jaxvae.explorer.ends import End
from jaxvae.explorer.requests import read_draw, read_move, read_name
from jaxvae.explorer.same_origin import SameOriginMiddleware
from jaxvae.explorer.session import Session
from jaxvae.rendering.animation import save_animation
from jaxvae.rendering.grid import grid

PAGE = Path(__file__).parent / "page"
MAX_REQUEST_BYTES = 100_000  # Except for uploads.
MAX_REQUEST_SECONDS = 30  # For a body to arrive; the browser is on the same machine.
ANIMATION_FRAMES = 41
DRAWS_PER_ROW = 6

Answer = Callable[[Session, bytes, Request], Response]


def build_app(session: Session) -> Starlette:
    """Builds the web application for a session."""

    def post(path: str, answer: Answer, largest: int = MAX_REQUEST_BYTES) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await _body(request, largest)
            # In a thread, so that a path that takes seconds does not block other requests.
            return await run_in_threadpool(answer, session, body, request)

        return Route(path, endpoint, methods=["POST"])

    def file(path: str, name: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return FileResponse(PAGE / name)

        return Route(path, endpoint)

    async def about(request: Request) -> Response:
        return JSONResponse(_about(session))

    return Starlette(
        routes=[
            file("/", "page.html"), file("/page.css", "page.css"), file("/page.js", "page.js"),
            Route("/about", about), post("/end", _end), post("/upload", _upload, ends.MAX_UPLOAD_BYTES),
            post("/move", _move), post("/animation", _animation), post("/draw", _draw), post("/draw.png", _draw_png),
        ],
        middleware=[Middleware(SameOriginMiddleware)],
        exception_handlers={UserError: _user_error, Exception: _failure},
    )  # fmt: skip


def _about(session: Session) -> dict[str, Any]:
    info = session.loaded.info
    return {
        "run": info.run.resolve().name, "step": info.step, "data": info.data["name"], "shape": list(info.shape),
        "first": session.first, "last": session.last, "notes": session.notes,
        "test_pictures": info.data["splits"]["test"]["n"] if session.prepared else 0,
        "wishes": [f"{name}={value}" for name, values in _values(session).items() for value in values],
        "paths": moves.path_names(session.loaded), "priors": moves.prior_names(session.loaded),
        "largest_upload_bytes": ends.MAX_UPLOAD_BYTES,
        "sliders": {
            group: [{"key": s.key, "label": s.label, "note": s.note, "low": s.low, "high": s.high} for s in sliders]
            for group, sliders in session.sliders.items()
        },
    }  # fmt: skip


def _values(session: Session) -> dict[str, list[str]]:
    """Returns the values each attribute can be queried for; empty if the dataset is not available."""
    data = session.loaded.info.data
    names = data["attributes"] if session.prepared else []
    return {name: list(data["classes"].get(name, ["1", "0"])) for name in names}


def _end(session: Session, body: bytes, request: Request) -> Response:
    return JSONResponse(_end_json(session.end(read_name(body))))


def _upload(session: Session, body: bytes, request: Request) -> Response:
    return JSONResponse(_end_json(session.uploads.add(request.query_params.get("name", ""), body)))


def _move(session: Session, body: bytes, request: Request) -> Response:
    move = read_move(body)
    return Response(_png(session.images(move, [move.degree])), media_type="image/png")


def _animation(session: Session, body: bytes, request: Request) -> Response:
    images = session.images(read_move(body), np.linspace(0.0, 1.0, ANIMATION_FRAMES).tolist())
    with tempfile.TemporaryDirectory() as folder:
        content = save_animation(images, Path(folder) / "walk.gif").read_bytes()
    return Response(content, media_type="image/gif")


def _draw(session: Session, body: bytes, request: Request) -> Response:
    return JSONResponse([_end_json(end) for end in session.draws(read_draw(body))])


def _draw_png(session: Session, body: bytes, request: Request) -> Response:
    images = np.stack([end.image for end in session.draws(read_draw(body))])
    return Response(_png(images, DRAWS_PER_ROW), media_type="image/png")


def _end_json(end: End) -> dict[str, str]:
    encoded = base64.b64encode(_png(end.image[None])).decode()
    return {"name": end.name, "label": end.label, "picture": f"data:image/png;base64,{encoded}"}


def _png(images: np.ndarray, columns: int = 1) -> bytes:
    file = io.BytesIO()
    grid(images, columns).save(file, format="PNG")
    return file.getvalue()


async def _body(request: Request, largest: int) -> bytes:
    body = bytearray()
    try:
        # Closed here and now: a stream left to the garbage collector may outlive the event loop.
        async with asyncio.timeout(MAX_REQUEST_SECONDS), aclosing(request.stream()) as stream:
            async for chunk in stream:
                body += chunk
                if len(body) > largest:
                    raise UserError(f"the request is larger than the limit of {largest / 1e6:.3g} MB.")
    except TimeoutError as error:
        raise UserError(f"the request took longer than {MAX_REQUEST_SECONDS} s to arrive.") from error
    return bytes(body)


async def _user_error(request: Request, error: Exception) -> Response:
    # Closed, since the body of a refused request may not have been read to its end.
    return JSONResponse({"error": str(error)}, 400, headers={"Connection": "close"})


async def _failure(request: Request, error: Exception) -> Response:
    # The traceback goes to the terminal.
    return JSONResponse({"error": f"the explorer failed ({type(error).__name__}); see its terminal for details."}, 500)
