"""The page's application, and serving it on the loopback address."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

from dash import Dash, set_props
from flask import Flask
from werkzeug.serving import make_server

from dashboards.live import choices, front_view, picking, running_view, scheme, trials_view
from dashboards.live.guard import guard
from dashboards.live.layout import INDEX, page
from dashboards.live.reading import Reader
from methods.errors import FrontuneError

HOST = "127.0.0.1"


def make_app(reader: Reader, workspace: str) -> Flask:
    """Return the application. It asks nothing of anybody else: its scripts come with the packages."""
    app = Dash(
        "frontune",
        title="Frontune",
        update_title="",
        assets_folder=str(Path(__file__).parent / "assets"),
        index_string=INDEX,
        serve_locally=True,
        add_log_handler=False,
        on_error=_said,
    )
    app.layout = page(workspace)
    for view in (scheme, choices, front_view, running_view, trials_view, picking):
        view.register(app, reader)
    guard(app.server)
    server: Flask = app.server
    return server


def _said(error: Exception) -> None:
    """What a view cannot show is said above, and what it shows stays."""
    if not isinstance(error, FrontuneError):
        raise error
    set_props("status", {"children": str(error)})


def serve(reader: Reader, workspace: str, listener: socket.socket, say: Callable[[str], None]) -> None:
    """Serve the page until interrupted."""
    # Werkzeug would print every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = listener.getsockname()[1]
    server = make_server(HOST, port, make_app(reader, workspace), threaded=True, fd=listener.fileno())
    say(f"the dashboard is at http://{HOST}:{port}; Ctrl-C ends it")
    server.serve_forever()


def listening(port: int) -> socket.socket:
    """Return a socket that listens on the loopback address, on a free port for 0; raises FrontuneError where
    there is none to be had."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise FrontuneError(
            f"cannot listen on {HOST}:{port}: {why}; try another --port, 0 for any free one"
        ) from error
