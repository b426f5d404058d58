"""AdminSite: which HTTP request runs which command, who may ask, and what the answer looks like.

The order of checks and every answer are those of Java 3.9 (`JettyAdminServer`, `Commands.runCommand`): most
that is wrong is said in JSON with the status 200. `snapshot` and `restore` want somebody who has every
permission on the root node (CVE-2025-58457), named in the header `Authorization: <scheme> <credentials>`.

Not here: the bytes of HTTP (`http_endpoint`), what commands say (`commands`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from ...jute.codes import Perms
from ...jute.data import Id
from ...storage.errors import StorageError
from ..auth.provider import AuthFailed, Disconnect
from ..errors import NoAuth
from ..pauses import nothing
from ..settings_table import Config
from .commands import COMMANDS, Command, Context, Method, Transfer, find_command
from .http_endpoint import Clock
from .http_message import Answer, Exchange, HttpRequest, HttpResponse
from .json_text import Json, json_text
from .pages import error_page, index_page
from .rate_limiter import RateLimiter
from .transfers import Restoration, TakenSnapshot, Transfers
from .view import AdminView, LastSnapshot

NOT_SERVING: Final = "This ZooKeeper instance is not currently serving requests"
_JSON: Final = "application/json"
_STREAM: Final = "application/octet-stream"
_EVERY_PERMISSION: Final = (Perms.READ, Perms.WRITE, Perms.CREATE, Perms.DELETE, Perms.ADMIN)
_ALLOWED_HERE: Final = "GET, HEAD, POST, TRACE, OPTIONS"
_ALLOWED_ELSEWHERE: Final = "GET, HEAD, TRACE, OPTIONS"

_ADDRESSES: Final = "ip"
_CERTIFICATES: Final = "x509"
_IdentitiesOf = Callable[[bytes], tuple[Id, ...]]

_log = logging.getLogger(__name__)


class AdminSite:
    """Args:
    config: settings.
    view: the server as it is at the moment.
    clock: what time it is.
    last_snapshot: where to ask for the newest snapshot.
    transfers: who takes and loads snapshots.
    """

    def __init__(
        self,
        config: Config,
        view: Callable[[], AdminView],
        clock: Clock,
        *,
        last_snapshot: LastSnapshot,
        transfers: Transfers,
    ) -> None:
        self._config = config
        self._view = view
        self._clock = clock
        self._last_snapshot = last_snapshot
        self._transfers = transfers
        self._url = config.admin_command_url.rstrip("/")
        interval_ms = config.admin_rate_limiter_interval_ms
        # 3.9 takes the number for microseconds where snapshots are concerned.
        self._snapshot_limiter = RateLimiter(interval_ms // 1000, clock.now_ms)
        self._restore_limiter = RateLimiter(interval_ms, clock.now_ms)

    def begin(self, request: HttpRequest, answer: Answer) -> Exchange:
        found = self._route(request)
        if isinstance(found, HttpResponse):
            return _Known(answer, found)
        command, name = found
        response = self._refusal(command, name, request)
        if response is not None:
            return _Known(answer, response)
        if command.transfer is Transfer.SNAPSHOT:
            return _SnapshotExchange(self, command, request, answer)
        if command.transfer is Transfer.RESTORE:
            return self._begin_restore(command, answer)
        return _CommandExchange(self, command, request, answer)

    # -- which command -------------------------------------------------------------------------------

    def _route(self, request: HttpRequest) -> HttpResponse | tuple[Command, str]:
        """The command and the name it was asked for by, or the answer to everything else."""
        method, path = request.method, request.path
        is_here = path == self._url or path.startswith(f"{self._url}/")
        if method == "TRACE":
            return HttpResponse(403)
        if method == "OPTIONS":
            return HttpResponse(200, headers=(("Allow", _ALLOWED_HERE if is_here else _ALLOWED_ELSEWHERE),))
        if method in ("PUT", "DELETE"):
            return HttpResponse(405)
        if method not in ("GET", "HEAD", "POST"):
            return HttpResponse(501)
        if not is_here:
            if method == "POST":
                return error_page(405, request.target, "HTTP method POST is not supported by this URL")
            return error_page(404, request.target)
        name = path[len(self._url) + 1 :]
        if not name:
            return index_page(self._url, [command.name for command in COMMANDS])
        command = find_command(name)
        if command is None:
            return command_response(name, {}, error=f"Unknown command: {name}")
        return command, name

    def _refusal(self, command: Command, name: str, request: HttpRequest) -> HttpResponse | None:
        """Why the command is not run, if it is not."""
        if command.needs_server and not self._view().is_serving:
            return command_response(name, {}, error=NOT_SERVING)
        if command.needs_permission:
            refused = self._permission(request)
            if refused is not None:
                return command_response(name, {}, error=refused.error, status=refused.status)
        wanted = command.method
        method = Method.POST if request.method == "POST" else Method.GET
        if method is not wanted:
            # Java trips over a null pointer here.
            response = command_response(
                command.name, {}, error=f"asked for with {wanted.value} only", status=405
            )
            return replace(response, headers=(("Allow", wanted.value),))
        return None

    # -- who asks ------------------------------------------------------------------------------------

    def _permission(self, request: HttpRequest) -> _NotAllowed | None:
        credentials = request.headers.get("authorization")
        if credentials is None:
            return _NotAllowed(401, "Auth info is missing for the command")
        identities = self._identities(credentials, request)
        if not identities:
            return _NotAllowed(401, "Not authenticated")
        view = self._view()
        acl = view.database.tree.nodes[""].acl
        try:
            for permission in _EVERY_PERMISSION:
                view.access.check(acl, permission, identities)
        except NoAuth:
            return _NotAllowed(403, "Not authorized")
        return None

    def _identities(self, credentials: str, request: HttpRequest) -> tuple[Id, ...]:
        """Whom the header proves its sender to be; empty for nobody."""
        words = credentials.split(" ")
        while words and not words[-1]:
            words.pop()
        if not 1 <= len(words) <= 2:
            return ()
        provider = self._view().access.providers.get(words[0])
        if provider is None:
            return ()
        auth = words[1].encode() if len(words) == 2 else None
        try:
            if words[0] == _CERTIFICATES:
                identities_of: _IdentitiesOf | None = getattr(provider, "identities_of", None)
                if identities_of is None or request.certificate is None:
                    return ()
                return identities_of(request.certificate)
            if auth is None and words[0] != _ADDRESSES:
                return ()  # the other schemes' proof is what follows their name
            return provider.authenticate(_Asker(request.remote_address), auth)
        except (AuthFailed, Disconnect):
            return ()

    # -- running it ----------------------------------------------------------------------------------

    def run(self, command: Command, request: HttpRequest) -> HttpResponse:
        """What the command says."""
        view = self._view()
        context = Context(view, request.arguments, self._last_snapshot)
        return command_response(command.name, command.run(context), pause=view.database.tree.pauses.take)

    def take_snapshot(self, command: Command, request: HttpRequest, answer: Answer) -> None:
        """Take a snapshot, and answer when it is on the disk."""
        config = self._config
        if not config.admin_snapshot_enabled:
            answer(command_response(command.name, {}, status=503))
        elif not config.serialize_last_processed_zxid_enabled:
            _log.warning("no snapshots over HTTP without serializeLastProcessedZxid.enabled")
            answer(command_response(command.name, {}, status=500))
        elif not self._snapshot_limiter.allow(self._clock.now_ms):
            self._count("snapshot_rate_limited_count")
            answer(command_response(command.name, {}, status=429))
        else:
            is_wanted = request.arguments.get("streaming", "true").lower() == "true"

            def taken(snapshot: TakenSnapshot | None) -> None:
                answer(_snapshot_response(command, snapshot, is_wanted=is_wanted))

            self._transfers.take_snapshot(taken)

    def _begin_restore(self, command: Command, answer: Answer) -> Exchange:
        config = self._config
        if not config.admin_restore_enabled:
            return _Known(answer, command_response(command.name, {}, status=503))
        if not config.serialize_last_processed_zxid_enabled:
            _log.warning("no snapshots over HTTP without serializeLastProcessedZxid.enabled")
            return _Known(answer, command_response(command.name, {}, status=500))
        if not self._restore_limiter.allow(self._clock.now_ms):
            self._count("restore_rate_limited_count")
            return _Known(answer, command_response(command.name, {}, status=429))
        try:
            restoration = self._transfers.begin_restoration()
        except StorageError as error:
            _log.warning("a snapshot can't be taken in: %s", error)
            return _Known(answer, command_response(command.name, {}, status=500))
        if restoration is None:
            message = "a member of an ensemble can't be restored by itself"
            return _Known(answer, command_response(command.name, {}, error=message, status=500))
        return _RestoreExchange(command, restoration, answer, self._count)

    def _count(self, name: str) -> None:
        self._view().database.metrics.add(name)


def command_response(
    name: str,
    data: Mapping[str, Json],
    *,
    error: str | None = None,
    status: int = 200,
    pause: Callable[[], None] = nothing,
) -> HttpResponse:
    """A command's answer as JSON: its data, its name, and its error (which may be among the data)."""
    said: dict[str, Json] = {**data}
    said.setdefault("command", name)
    said.setdefault("error", error)
    return HttpResponse(status, json_text(said, pause).encode(), _JSON)


def _snapshot_response(command: Command, taken: TakenSnapshot | None, *, is_wanted: bool) -> HttpResponse:
    if taken is None:
        return command_response(command.name, {}, status=500)
    headers = (
        ("last_zxid", f"0x{taken.zxid & 0xFFFF_FFFF_FFFF_FFFF:x}"),
        ("snapshot_size", str(taken.size_bytes)),
    )
    if not is_wanted:
        return replace(command_response(command.name, {}), headers=headers)
    return HttpResponse(
        200, content_type=_STREAM, headers=headers, stream=taken.chunks, stream_bytes=taken.size_bytes
    )


class _NotAllowed(NamedTuple):
    """Why somebody may not ask."""

    status: int
    error: str


class _Asker:
    """Whoever sent a request, as an authentication provider sees a connection."""

    def __init__(self, remote_address: tuple[str, int]) -> None:
        self.remote_address = remote_address
        self.identities: tuple[Id, ...] = ()


class _Known:
    """A request whose answer does not depend on its body."""

    def __init__(self, answer: Answer, response: HttpResponse) -> None:
        self._answer = answer
        self._response = response

    def take(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        self._answer(self._response)

    def abandoned(self) -> None:
        pass


class _CommandExchange:
    """A command that is answered at once, when the request is whole."""

    def __init__(self, site: AdminSite, command: Command, request: HttpRequest, answer: Answer) -> None:
        self._site = site
        self._command = command
        self._request = request
        self._answer = answer

    def take(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        self._answer(self._site.run(self._command, self._request))

    def abandoned(self) -> None:
        pass


class _SnapshotExchange(_CommandExchange):
    """`snapshot`: answered when it is on the disk. It is taken even if nobody waits for it any more."""

    def end(self) -> None:
        self._site.take_snapshot(self._command, self._request, self._reply)

    _is_abandoned = False

    def _reply(self, response: HttpResponse) -> None:
        if not self._is_abandoned:
            self._answer(response)

    def abandoned(self) -> None:
        self._is_abandoned = True


class _RestoreExchange:
    """`restore`: the snapshot comes in piece by piece, and is loaded when it is whole."""

    def __init__(
        self, command: Command, restoration: Restoration, answer: Answer, count: Callable[[str], None]
    ) -> None:
        self._command = command
        self._restoration = restoration
        self._answer = answer
        self._count = count
        self._failure: StorageError | None = None
        self._is_whole = self._is_abandoned = False

    def take(self, data: bytes) -> None:
        if self._failure is None:
            try:
                self._restoration.write(data)
            except StorageError as error:
                _log.warning("a snapshot could not be taken in: %s", error)
                self._failure = error

    def end(self) -> None:
        self._is_whole = True
        if self._failure is not None:
            self._restoration.abandon()
            self._loaded(None)
        else:
            self._restoration.finish(self._loaded)

    def _loaded(self, zxid: int | None) -> None:
        if zxid is None:
            self._count("restore_error_count")
        if self._is_abandoned:
            return
        if zxid is None:
            self._answer(command_response(self._command.name, {}, status=500))
        else:
            self._answer(command_response(self._command.name, {"last_zxid": zxid}))

    def abandoned(self) -> None:
        self._is_abandoned = True
        if not self._is_whole:
            self._restoration.abandon()
