"""Whom the page answers: browsers of this machine that asked for this machine, and nobody through them."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, abort, request

OWN_NAMES = ("127.0.0.1", "localhost")
# Plotly sets styles of elements, Dash begins with a script in the page, and WebGL's shaders are compiled by
# functions made of text; nothing may come from, or go, elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def guard(server: Flask) -> None:
    """Refuse requests for another host, and keep every page from talking to one.

    A page of the network may have its own name resolve to 127.0.0.1 and then read what is there (DNS
    rebinding); its requests still carry that name in `Host`.
    """
    server.before_request(_refuse_other_hosts)
    server.after_request(_with_policy)


def _refuse_other_hosts() -> Any:
    name = request.host.rpartition(":")[0] or request.host
    if name not in OWN_NAMES:
        abort(Response("this page answers to 127.0.0.1 and localhost alone\n", 403, mimetype="text/plain"))


def _with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
