"""`/docs`: the description of the API as a page to try it on, with nothing from elsewhere.

Rule: Swagger UI comes from the wheel of `fastapi-offline`, whose files are served as they are; the page itself is ours, for theirs has a script inside it,
which the policy refuses. Limit: Swagger UI sets styles from its script (the CSS object model, which a policy lets be) and shows images that are data.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_FILES: Final = {"swagger-ui-bundle.js": "text/javascript; charset=utf-8", "swagger-ui.css": "text/css; charset=utf-8", "favicon.png": "image/png"}
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quarterhour API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="api"></div>
<noscript>This page needs JavaScript. The description itself is <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
"""
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", persistAuthorization: false,
});
"""

docs_routes = APIRouter(include_in_schema=False)


@docs_routes.get("/docs")
def page() -> Response:
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})


@docs_routes.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript; charset=utf-8")


def _add(name: str, media_type: str) -> None:
    @docs_routes.get(f"/docs/{name}")
    def asset() -> Response:
        body = files("fastapi_offline").joinpath("static", name).read_bytes()
        return Response(body, media_type=media_type, headers={"Cache-Control": "private, max-age=86400"})


for _name, _media_type in _FILES.items():
    _add(_name, _media_type)
