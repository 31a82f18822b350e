"""The files of the page."""

from pathlib import Path

PAGE = Path(__file__).parent / "page"
PAGE_FILES = (
    "page.html", "base.css", "stage.css", "tools.css",
    "page.js", "address.js", "ask.js", "dom.js", "draws.js", "ends.js", "exchange.js", "faces.js", "gallery.js",
    "like.js", "map.js", "mix.js", "pick.js", "plot.js", "save.js", "selects.js", "server.js", "sheet.js", "shelf.js",
    "slider.js", "sliders.js", "state.js", "tabs.js", "walk.js",
)  # fmt: skip
FACES = 24  # Images of the test split that an exported page has, unless another number is asked for.
# What takes the place of the server where the page is exported: a server.js of its own, and the modules that it needs.
STANDALONE = Path(__file__).parent / "standalone"
STANDALONE_FILES = ("server.js", "codes.js", "drawing.js", "model.js", "names.js", "prior.js")
