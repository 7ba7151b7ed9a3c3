"""The server of `sanum view`: on this machine alone, read-only but for verdicts, and with no path out."""

import errno
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from ...files import open_regular
from ...scan import ScanError
from ..verdicts import QC, Verdict, read_verdicts
from .pages import POLICIES, full_page, images_of, list_page, quoted, result_page
from .results import ViewedResult, results_below
from .save import save_verdict

_log = logging.getLogger(__name__)

HERE = "127.0.0.1"
MOST_FORM = 20_000  # bytes
BLOCK = 1 << 18
QUIET_S = 60.0  # a connection that says nothing for so long is closed
NIIVUE = {"niivue.js": "niivue.js.gz", "full.js": "full.js"}
"""Scripts of the page at full resolution: address and file."""

REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "script-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""Of a report, whoever made it: its script sees nothing of the pages around it and asks for nothing."""


class ResultsServer(ThreadingHTTPServer):
    """Serves the results of one folder, which are listed anew when the list is asked for.

    Parameters
    ----------
    output : Path
        The folder.
    port : int
        0: one that is free.
    scans : Path, optional
        The folder of the scans, which are then shown too.
    """

    daemon_threads = True

    def __init__(self, output: Path, port: int = 0, scans: Path | None = None) -> None:
        self.output, self.scans = output.resolve(), scans.resolve() if scans else None
        self.found = results_below(self.output)
        self.pages, self.handed_out = (f"/{secrets.token_urlsafe(18)}" for _ in range(2))
        super().__init__((HERE, port), _Handler)

    @property
    def address(self) -> str:
        """Where the list is."""
        return f"http://{HERE}:{self.server_port}{self.pages}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser that was given this address says it asks."""
        return f"{HERE}:{self.server_port}", f"localhost:{self.server_port}"

    def open_scan(self, one: ViewedResult) -> BinaryIO | None:
        """The scan that a result was made from; None if it is not there as it was.

        Parameters
        ----------
        one : ViewedResult
            The result.
        """
        if self.scans is None or one.scan is None:
            return None
        told = one.record["input"]
        try:
            stream = open_below(self.scans, one.scan)
        except OSError:
            return None
        if isinstance(told, dict) and os.fstat(stream.fileno()).st_size == told.get("size"):
            return stream
        stream.close()
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """One line, without the names that are in an error; nothing where a browser went away.

        Parameters
        ----------
        request, client_address : object
            Not told.
        """
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            _log.error("a request failed: %s", type(error).__name__)

    def verdicts(self) -> tuple[dict[str, Verdict], str]:
        """What was said so far, and why nothing is known of it; "": it is."""
        try:
            return read_verdicts(self.output / QC), ""
        except OSError as error:
            return {}, (error.strerror or type(error).__name__).lower()
        except ValueError as error:
            return {}, str(error)


class _Handler(BaseHTTPRequestHandler):
    """One request. What is asked for is looked up in the list of results; no path is made from an address."""

    server: ResultsServer
    timeout = QUIET_S
    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        """Nothing about versions."""
        return "sanum"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: names of scans do not belong into a log."""

    def do_GET(self) -> None:
        """A page, a script, or a file of a result."""
        parts = self._parts()
        if parts is None:
            return
        token, *rest = parts
        if token == self.server.pages[1:]:
            self._get_page(rest)
        elif token == self.server.handed_out[1:]:
            self._get_file(rest)
        else:
            self._nothing()

    def do_HEAD(self) -> None:
        """As GET."""
        self.do_GET()

    def do_POST(self) -> None:
        """A verdict."""
        parts = self._parts()
        if parts is None:
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_FORM:
            self.close_connection = True
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a verdict is a short form")
            return
        body = self.rfile.read(int(length))
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{host}" for host in self.server.hosts]:
            self._say(HTTPStatus.FORBIDDEN, "a verdict comes from the page of its result")
            return
        found = self.server.found
        if len(parts) != 3 or parts[:2] != [self.server.pages[1:], "result"] or parts[2] not in found:
            self._say(HTTPStatus.NOT_FOUND, "there is no such result")
            return
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
        word, note = (form.get(name, [""])[-1].strip() for name in ("verdict", "note"))
        try:
            save_verdict(self.server.output, parts[2], Verdict(word, note))
        except (ValueError, ScanError, OSError) as error:
            reason, typed = f"The verdict was not saved: {error}.", Verdict(word, note)
            self._page("result", self._result(found, parts[2], typed, reason), HTTPStatus.CONFLICT)
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _get_page(self, rest: list[str]) -> None:
        server = self.server
        match rest:
            case [""]:
                server.found = results_below(server.output)
                name = server.output.name or "results"
                self._page("list", list_page(server.pages, name, server.found, *server.verdicts()))
            case ["script", name] if name in NIIVUE:
                self._script(NIIVUE[name])
            case ["result", name] if name in server.found:
                self._page("result", self._result(server.found, name))
            case ["full", name] if one := server.found.get(name):
                scripts = [f"{server.pages}/script/{script}" for script in NIIVUE]
                if (stream := server.open_scan(one)) is not None:
                    stream.close()
                images = images_of(one, self._files(one), with_scan=stream is not None)
                self._page("full", full_page(server.pages, one, images, scripts))
            case _:
                self._nothing()

    def _get_file(self, rest: list[str]) -> None:
        match rest:
            case [name, file] if (one := self.server.found.get(name)) and file in one.files:
                self._file(one.files[file])
            case [name, file] if (one := self.server.found.get(name)) and file == one.scan_file:
                stream = self.server.open_scan(one)
                self._nothing() if stream is None else self._stream(stream, "application/octet-stream")
            case _:
                self._nothing()

    def _nothing(self) -> None:
        self._say(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _parts(self) -> list[str] | None:
        """Parts of the address; None, and an answer, where it is not for us."""
        if self.headers.get("Host") not in self.server.hosts:
            self.close_connection = True
            self._say(HTTPStatus.FORBIDDEN, f"ask for {self.server.hosts[0]}")
            return None
        return [unquote(part, errors="surrogateescape") for part in urlsplit(self.path).path.split("/")[1:]]

    def _files(self, one: ViewedResult) -> str:
        return f"{self.server.handed_out}/{quoted(one.name)}"

    def _result(
        self,
        found: Mapping[str, ViewedResult],
        name: str,
        verdict: Verdict | None = None,
        error: str = "",
    ) -> str:
        names = list(found)
        at = names.index(name)
        around = (names[at - 1] if at else None), (names[at + 1] if at + 1 < len(names) else None)
        if verdict is None:
            verdict = self.server.verdicts()[0].get(name, Verdict())
        return result_page(self.server.pages, found[name], around, verdict, self._files(found[name]), error)

    def _page(self, kind: str, html: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, html.encode("utf-8", "replace"), "text/html; charset=utf-8", POLICIES[kind])

    def _script(self, name: str) -> None:
        script = package_files("sanum.report").joinpath("niivue", name).read_bytes()
        encoding = {"Content-Encoding": "gzip"} if name.endswith(".gz") else {}
        self._send(HTTPStatus.OK, script, "text/javascript; charset=utf-8", "default-src 'none'", encoding)

    def _file(self, path: PurePosixPath) -> None:
        try:
            stream = open_below(self.server.output, path)
        except OSError as error:
            gone = error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EINVAL)
            self._say(HTTPStatus.NOT_FOUND if gone else HTTPStatus.FORBIDDEN, "the file cannot be read")
            return
        if path.suffix == ".html":
            self._stream(stream, "text/html; charset=utf-8", REPORT_POLICY)
        else:
            self._stream(stream, "application/gzip")

    def _stream(self, stream: BinaryIO, kind: str, policy: str = "default-src 'none'") -> None:
        with stream:
            length = os.fstat(stream.fileno()).st_size
            self._head(HTTPStatus.OK, length, kind, policy)
            while self.command != "HEAD" and length > 0 and (block := stream.read(min(BLOCK, length))):
                self.wfile.write(block)
                length -= len(block)
            if length and self.command != "HEAD":
                self.close_connection = True  # the file became shorter meanwhile

    def _say(self, status: HTTPStatus, words: str) -> None:
        self._send(status, f"{words}\n".encode(), "text/plain; charset=utf-8", "default-src 'none'")

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        kind: str,
        policy: str,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._head(status, len(body), kind, policy, more)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(
        self,
        status: HTTPStatus,
        length: int,
        kind: str,
        policy: str,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(length),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin",  # never an address: it has the token
            "Cache-Control": "no-store",
        }
        for name, value in (headers | dict(more or {})).items():
            self.send_header(name, value)
        self.end_headers()


def open_below(root: Path, path: PurePosixPath) -> BinaryIO:
    """Open a regular file below a folder; no part of its path may be a link.

    Parameters
    ----------
    root : Path
        The folder.
    path : PurePosixPath
        Below it, without "..".

    Raises
    ------
    OSError
        It is not there, is no regular file, or a link is in the way.
    """
    how = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    folder = os.open(root, how)
    try:
        for part in path.parts[:-1]:
            inner = os.open(part, how | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return open_regular(path.name, folder=folder)
    finally:
        os.close(folder)
