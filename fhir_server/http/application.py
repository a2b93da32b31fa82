"""The Flask application, which answers plain addresses without what Flask does around a view.

May live here: which requests those are, and how what they raise is told. May not know: any route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from flask.ctx import RequestContext

from fhir_server.http.negotiation import Format

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Response
    from werkzeug.routing import MapAdapter

HOSTS = 64
"""How many values of Host are remembered as well formed."""


class Asked(Request):
    """A request, and what is noted of it while it is answered.

    `request_id` is what the answer and the log call it; `spoken` the format to answer in, None until it is known;
    `as_it_is` says that the answer is to be left as it was made.
    """

    request_id = ""
    spoken: Format | None = None
    as_it_is = False


Answer = Callable[[Asked, str], "WSGIApplication"]


class Application(Flask):
    """Flask, and a way past its routes, contexts and hooks for whom none of these would change the answer."""

    request_class = Asked

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._direct: tuple[re.Pattern[str], frozenset[str], Answer] | None = None
        self._hosts: set[tuple[str, str]] = set()

    def answers_directly(self, paths: str, methods: Collection[str], answer: Answer) -> None:
        """Have `answer` answer paths of this form: a regular expression, whose first group it is given.

        It must answer as the view that the routes have for them, with all that is done behind that. What it raises is
        told as what the view raises. An application that does something of its own before or after each request answers
        nothing directly.
        """
        self._direct = re.compile(paths), frozenset(methods), answer

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """As Flask does it, but for what is answered directly."""
        direct = self._direct
        found = direct[0].fullmatch(environ.get("PATH_INFO", "")) if direct is not None else None
        if direct is None or found is None or not self._is_plain(environ, direct[1]):
            return super().wsgi_app(environ, start_response)
        sent = Asked(environ, populate_request=False)
        try:
            answered = direct[2](sent, found[1])
        except Exception as failed:  # noqa: BLE001 - as Flask, which tells of each by its handler
            with RequestContext(self, environ, sent):
                return self._told(failed)(environ, start_response)
        return answered(environ, start_response)

    def _told(self, failed: Exception) -> Response:
        """What Flask says of a failure of its view, or, where telling of it fails, of that."""
        try:
            return self.finalize_request(self.handle_user_exception(failed))
        except Exception as worse:  # noqa: BLE001 - as Flask
            return self.handle_exception(worse)

    def _is_plain(self, environ: WSGIEnvironment, methods: frozenset[str]) -> bool:
        """Whether nothing but the path says where a request goes.

        A Host that Flask has not accepted before is shown to Flask; so is whoever asks for another protocol.
        """
        return (
            environ["REQUEST_METHOD"] in methods
            and (environ["wsgi.url_scheme"], environ.get("HTTP_HOST", "")) in self._hosts
            and "HTTP_UPGRADE" not in environ
            and not environ.get("SCRIPT_NAME")
            and not self.before_request_funcs.get(None)
            and not self.after_request_funcs.get(None)
        )

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask does it, which refuses a Host that is none."""
        made = super().create_url_adapter(request)
        if request is not None and "HTTP_HOST" in request.environ:
            if len(self._hosts) >= HOSTS:
                self._hosts.clear()
            self._hosts.add((request.environ["wsgi.url_scheme"], request.environ["HTTP_HOST"]))
        return made
