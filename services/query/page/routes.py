"""Serve the usage page: one document and its files, all from this directory, under a Content-Security-Policy that lets nothing else in.

Rule: the page is a client of the API like any other. It gets no number, no name and no key from here; the person who looks gives it a key, which
stays in that browser tab. The files that exist are listed when the process starts: a path is looked up in that list and never joined to a directory.
Limit: no build step. What stands in `static/` is what the browser reads.

Why our own SVG (static/chart.js) and no chart library: of those that draw SVG or DOM, Observable Plot with d3 is 160 kB compressed and sets `style`
attributes, which `style-src 'self'` refuses; none is usable by keyboard, tells 0 from "no data", or hatches what is not over yet. Our bars are some 300 lines.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

STATIC: Final = Path(__file__).parent / "static"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}

_FILES: Final = {path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix]) for path in sorted(STATIC.iterdir()) if path.suffix in MEDIA_TYPES}
_TAGS: Final = {name: f'"{sha256(body).hexdigest()[:32]}"' for name, (body, _) in _FILES.items()}

page_routes = APIRouter(include_in_schema=False)


@page_routes.get("/")
def home() -> Response:
    return RedirectResponse("/usage", 307)


@page_routes.get("/usage")
def page(request: Request) -> Response:
    return _file(request, "index.html")


@page_routes.get("/usage/{name}")
def asset(request: Request, name: str) -> Response:
    if name not in _FILES:
        raise HTTPException(404)
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    """The file, or 304 where the browser has this very one."""
    body, media_type = _FILES[name]
    headers = HEADERS | {"ETag": _TAGS[name]}
    if request.headers.get("If-None-Match") == _TAGS[name]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
