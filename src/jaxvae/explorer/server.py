"""The explorer's web application: its page and the endpoints that answer it."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from jaxvae.errors import UserError
from jaxvae.explorer import answers
from jaxvae.explorer.about import about as about_json
from jaxvae.explorer.answers import Answer
from jaxvae.explorer.ends import MAX_UPLOAD_BYTES
from jaxvae.explorer.page_files import PAGE, PAGE_FILES
from jaxvae.explorer.same_origin import SameOriginMiddleware
from jaxvae.explorer.session import Session

MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
MAX_REQUEST_BYTES = 400_000  # A shelf of faces made of many others; uploads have their own limit.
MAX_REQUEST_SECONDS = 30  # For a body to arrive; the browser is on the same machine.

POSTS = {
    "/end": answers.end, "/move": answers.move, "/picture.png": answers.picture, "/animation": answers.animation,
    "/codes.npz": answers.codes, "/draw": answers.draw, "/draw.png": answers.draw_png, "/gallery": answers.gallery,
    "/map": answers.plane, "/places": answers.places, "/trail": answers.trail, "/like": answers.like,
    "/sheet": answers.sheet, "/sheet.png": answers.sheet_png,
}  # fmt: skip


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
            # The type is named, because a machine's own table of types may say otherwise.
            return FileResponse(PAGE / name, media_type=MEDIA_TYPES[Path(name).suffix])

        return Route(path, endpoint)

    async def about(request: Request) -> Response:
        return JSONResponse(about_json(session))

    async def thumbnail(request: Request) -> Response:
        return await run_in_threadpool(answers.thumbnail, session, b"", request)

    return Starlette(
        routes=[
            file("/", "page.html"), *(file(f"/{name}", name) for name in PAGE_FILES if name != "page.html"),
            Route("/about", about), Route("/thumbnail/{index:int}.png", thumbnail),
            post("/upload", answers.upload, MAX_UPLOAD_BYTES), *(post(path, answer) for path, answer in POSTS.items()),
        ],
        middleware=[Middleware(SameOriginMiddleware)],
        exception_handlers={UserError: _user_error, Exception: _failure},
    )  # fmt: skip


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
