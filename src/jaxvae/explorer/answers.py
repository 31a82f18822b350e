"""Answers to the page's requests, as JSON, images or files."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jaxvae.data.pixels import scale
from jaxvae.errors import UserError
from jaxvae.explorer import exports, moves
from jaxvae.explorer.ends import End
from jaxvae.explorer.faces import face_json
from jaxvae.explorer.gallery import color_by, find_images
from jaxvae.explorer.plane import nearest_images
from jaxvae.explorer.requests import (
    read_animation,
    read_attribute,
    read_draw,
    read_face,
    read_faces,
    read_gallery,
    read_move,
    read_picture,
    read_sheet,
)
from jaxvae.explorer.session import Session, require_dataset
from jaxvae.explorer.sheet import sheet_faces

DRAWS_PER_ROW = 6
NEAREST = 8
MEDIA_TYPES = {".gif": "image/gif", ".webp": "image/webp", ".mp4": "video/mp4"}

Answer = Callable[[Session, bytes, Request], Response]


def end(session: Session, body: bytes, request: Request) -> Response:
    """Answers with one face."""
    return JSONResponse(_end_json(session, session.end(read_face(body))))


def upload(session: Session, body: bytes, request: Request) -> Response:
    """Answers with an uploaded image."""
    return JSONResponse(_end_json(session, session.uploads.add(request.query_params.get("name", ""), body)))


def move(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the image of a point of a walk."""
    point = read_move(body)
    return _png(exports.grid_png(session.images(point, [point.degree])))


def picture(session: Session, body: bytes, request: Request) -> Response:
    """Answers with a face at a chosen size: decoded, whatever it was made from."""
    face, size = read_picture(body)
    return _png(exports.picture_png(moves.decode_rows(session.loaded, session.end(face).row[None])[0], size))


def animation(session: Session, body: bytes, request: Request) -> Response:
    """Answers with a walk as a GIF, WebP or MP4."""
    wanted = read_animation(body)
    images = session.images(wanted.move, np.linspace(0.0, 1.0, wanted.frames).tolist())
    content = exports.animation(images, wanted.suffix, wanted.seconds, wanted.size)
    return Response(content, media_type=MEDIA_TYPES[wanted.suffix])


def codes(session: Session, body: bytes, request: Request) -> Response:
    """Answers with faces as a file of codes."""
    ends = [session.end(face) for face in read_faces(body)]
    return Response(exports.code_file(session.loaded, ends), media_type="application/octet-stream")


def draw(session: Session, body: bytes, request: Request) -> Response:
    """Answers with samples."""
    return JSONResponse([_end_json(session, end) for end in session.draws(read_draw(body))])


def draw_png(session: Session, body: bytes, request: Request) -> Response:
    """Answers with samples as one image."""
    images = np.stack([end.image for end in session.draws(read_draw(body))])
    return _png(exports.grid_png(images, DRAWS_PER_ROW))


def gallery(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the names of a page of test images; `thumbnail` has their pictures."""
    page = find_images(require_dataset(session.prepared), read_gallery(body))
    return JSONResponse({"names": [f"test:{i}" for i in page.indices], "total": page.total, "pages": page.pages})


def thumbnail(session: Session, body: bytes, request: Request) -> Response:
    """Answers with a test image."""
    images, index = require_dataset(session.prepared).split("test").images, int(request.path_params["index"])
    if index >= len(images):
        raise UserError(f"test:{index} does not exist; test has images 0 to {len(images) - 1}.")
    return _png(exports.grid_png(np.asarray(images[index])[None]))


def plane(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the places of test images in the plane, grouped by an attribute if one is named."""
    attribute, layout = read_attribute(body), session.plane()
    coloring = color_by(require_dataset(session.prepared), layout.indices, attribute)._asdict() if attribute else {}
    points = np.round(layout.points, 4).tolist()
    return JSONResponse({"indices": layout.indices.tolist(), "points": points, "axes": layout.axes, **coloring})


def places(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the places of faces in the plane."""
    rows = np.stack([session.end(face).row for face in read_faces(body)])
    return JSONResponse(np.round(session.plane().place(rows), 4).tolist())


def trail(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the places of a walk's codes in the plane, whatever its sliders add."""
    walk = read_move(body)
    return JSONResponse(np.round(session.plane().place(session.path(walk.first, walk.last, walk.path)), 4).tolist())


def like(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the test images whose codes are nearest to that of a face."""
    row, layout = session.end(read_face(body)).row, session.plane()
    nearest = [{"name": f"test:{i}", "distance": distance} for i, distance in nearest_images(layout, row, NEAREST)]
    return JSONResponse({"nearest": nearest, "compared": len(layout.indices)})


def sheet(session: Session, body: bytes, request: Request) -> Response:
    """Answers with the faces of a sheet, row by row."""
    faces = sheet_faces(read_sheet(body))
    images = moves.decode_rows(session.loaded, np.stack([session.end(face).row for face in faces]))
    cells = zip(faces, images, strict=True)
    return JSONResponse([{"name": face_json(face), "picture": _data_url(image)} for face, image in cells])


def sheet_png(session: Session, body: bytes, request: Request) -> Response:
    """Answers with a sheet as one image."""
    wanted = read_sheet(body)
    rows = np.stack([session.end(face).row for face in sheet_faces(wanted)])
    return _png(exports.grid_png(moves.decode_rows(session.loaded, rows), wanted.cells))


def _end_json(session: Session, end: End) -> dict[str, Any]:
    answer = {"name": face_json(end.name), "label": end.label, "picture": _data_url(end.image)}
    if not end.original:
        return answer
    decoded = moves.decode_rows(session.loaded, end.row[None])
    return {**answer, "decoded": _data_url(decoded[0]), "psnr_db": round(_psnr(end.image, decoded[0]), 2)}


def _psnr(original: UInt8[np.ndarray, "h w c"], decoded: UInt8[np.ndarray, "h w c"]) -> float:
    from jaxvae.evaluation.per_example import psnr

    return float(psnr(scale(original[None]), scale(decoded[None]))[0])


def _data_url(image: UInt8[np.ndarray, "h w c"]) -> str:
    return f"data:image/png;base64,{base64.b64encode(exports.grid_png(image[None])).decode()}"


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png")
