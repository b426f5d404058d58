"""MetricsSite: what Prometheus fetches, at `/metrics` (`PrometheusMetricsProvider`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..settings_table import Config
from .exposition import CONTENT_TYPE, exposition, families_of
from .http_message import Answer, Exchange, HttpRequest, HttpResponse
from .pages import error_page
from .view import AdminView

PATH: Final = "/metrics"


class MetricsSite:
    """Args:
    config: settings.
    view: the server as it is at the moment.
    """

    def __init__(self, config: Config, view: Callable[[], AdminView]) -> None:
        self._config = config
        self._view = view

    def begin(self, request: HttpRequest, answer: Answer) -> Exchange:
        return _Exchange(self, request, answer)

    def respond(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request."""
        method, is_here = request.method, request.path == PATH
        if method == "TRACE":
            return HttpResponse(403)
        if method == "OPTIONS":
            allowed = "GET, HEAD, POST, TRACE, OPTIONS" if is_here else "GET, HEAD, TRACE, OPTIONS"
            return HttpResponse(200, headers=(("Allow", allowed),))
        if method in ("PUT", "DELETE"):
            return HttpResponse(405)
        if method not in ("GET", "HEAD", "POST"):
            return HttpResponse(501)
        if not is_here:
            return error_page(404 if method != "POST" else 405, request.target)
        families = families_of(self._view(), with_process=self._config.metrics_export_process)
        text = exposition(families, request.all_of("name[]"))
        return HttpResponse(200, text.encode(), CONTENT_TYPE)


class _Exchange:
    """A request whose body is of no interest."""

    def __init__(self, site: MetricsSite, request: HttpRequest, answer: Answer) -> None:
        self._site = site
        self._request = request
        self._answer = answer

    def take(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        self._answer(self._site.respond(self._request))

    def abandoned(self) -> None:
        pass
