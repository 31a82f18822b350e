"""Isolates the explorer from the rest of the browser: other pages can neither send it requests nor be loaded by it.

The explorer listens on localhost only, but any page open in the same browser can send it requests. A page whose domain
resolves to 127.0.0.1 is detected by its Host header, any other by its Origin header.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class SameOriginMiddleware:
    """ASGI middleware that rejects cross-origin requests and restricts the page to its own resources."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self.app if _is_same_origin(Headers(scope=scope)) else _REFUSAL
        await app(scope, receive, send_with_headers)


_REFUSAL = JSONResponse({"error": "the explorer only answers its own page."}, 403)


def _is_same_origin(headers: Headers) -> bool:
    host, origin, site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:  # Such as "[".
        return False
    if name not in LOCAL_HOSTS:
        return False
    if origin is None:
        # Browsers say here where a request comes from even when they send no Origin; "none" is the user's own.
        return site in (None, "same-origin", "none")
    return origin == f"http://{host}"
