"""Speak to a DICOMweb server: a client, and its errors in our words."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...extras import needs_extra
from .dimse import ANSWER_S, CONNECT_S, EXTRA
from .errors import NodeError, PeerRefuses, PeerUnreachable
from .peers import WebPeer
from .tls import Tls

LARGEST_ANSWER = 32 << 20  # bytes of JSON: 100 matches have less than one
_LATER = (408, 425, 429, 500, 502, 503, 504)
_WORDS = {
    400: "it does not understand the request",
    401: "it wants a name and a password, which ~/.netrc has not or has wrong",
    403: "this node is not allowed to",
    404: "there is nothing at this address",
    405: "it does not offer this",
    406: "it does not offer what was asked for",
    413: "it is too large for it",
    415: "it does not take such files",
    501: "it does not offer this",
}


def session_of(tls: Tls | None = None) -> Any:
    """A session of HTTP; name and password come from ~/.netrc.

    Parameters
    ----------
    tls : Tls, optional
        Certificates; default: those that the system believes.

    Returns
    -------
    requests.Session
        For one thread.

    Raises
    ------
    MissingExtra
        requests, which dicomweb-client brings, is not installed.
    NodeError
        The certificates cannot be used.
    """
    with needs_extra("the node", EXTRA):
        import requests
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"  # what is packed may be of any size
    if tls is not None:
        tls.client_context()  # says what is wrong with the files
        session.verify, session.cert = str(tls.authority), (str(tls.certificate), str(tls.key))
    return session


def client_of(peer: WebPeer, tls: Tls | None = None, on_answer: Callable[..., object] | None = None) -> Any:
    """A client of a server that tries once.

    Parameters
    ----------
    peer : WebPeer
        The server.
    tls : Tls, optional
        Certificates; default: those that the system believes.
    on_answer : function, optional
        Called with each answer of the server.

    Returns
    -------
    dicomweb_client.api.DICOMwebClient
        For one thread.

    Raises
    ------
    MissingExtra
        dicomweb-client is not installed.
    NodeError
        The certificates cannot be used.
    """
    with needs_extra("the node", EXTRA):
        from dicomweb_client.api import DICOMwebClient

    def heard(response: Any, *_: object, **__: object) -> None:
        if on_answer is not None:
            on_answer(response)
        _bound(peer, response)

    client = DICOMwebClient(
        peer.url,
        session_of(tls),
        headers={"Accept": "application/dicom+json"},
        callback=heard,
        timeout=(CONNECT_S, ANSWER_S),
        permissive_uid=True,
    )
    client.set_http_retry_params(retry=False)  # the node waits and counts itself
    return client


@contextmanager
def spoken(peer: WebPeer) -> Iterator[None]:
    """Turn what goes wrong between us and a server into a sentence.

    Parameters
    ----------
    peer : WebPeer
        The server.

    Raises
    ------
    PeerUnreachable
        No answer, or one that says: later.
    PeerRefuses
        It says no, or what it says cannot be read.
    """
    import requests

    try:
        yield
    except requests.exceptions.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise http_error(peer, status) from None
    except requests.exceptions.SSLError:
        raise PeerUnreachable(f"no TLS with {peer}: a certificate is not believed") from None
    except (requests.exceptions.JSONDecodeError, RecursionError):
        raise not_dicomweb(peer) from None
    except (requests.exceptions.RequestException, OSError) as error:
        if isinstance(error, requests.exceptions.Timeout):
            raise PeerUnreachable(f"{peer} did not answer within {ANSWER_S:g} s") from None
        raise PeerUnreachable(f"no answer from {peer}") from None


def require_plain(peer: WebPeer, response: Any) -> None:
    """That an answer is not packed: nothing else was asked for.

    Parameters
    ----------
    peer : WebPeer
        The server.
    response : requests.Response
        Its answer, of which the header is read.

    Raises
    ------
    PeerRefuses
        It is packed.
    """
    if response.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        response.close()
        raise PeerRefuses(f"{peer} packs its answers (Content-Encoding), and was asked not to")


def _bound(peer: WebPeer, response: Any) -> None:
    """Read no more of an answer in JSON than there is room for."""
    require_plain(peer, response)
    read = response.raw.stream

    def stream(*words: Any, **more: Any) -> Iterator[bytes]:
        total = 0
        for block in read(*words, **more):
            total += len(block)
            if total > LARGEST_ANSWER:
                response.close()
                raise PeerRefuses(f"{peer} answers with more than {LARGEST_ANSWER >> 20} MB of text")
            yield block

    response.raw.stream = stream


def rows_of(peer: WebPeer, ask: Callable[[], object]) -> list[dict[str, Any]]:
    """What a server finds, one dictionary for each match.

    Parameters
    ----------
    peer : WebPeer
        The server.
    ask : function
        Asks it, with a client.

    Raises
    ------
    PeerUnreachable, PeerRefuses
        As `spoken`.
    """
    with spoken(peer):
        found = ask()
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return found
    raise not_dicomweb(peer)


def value_of(row: Mapping[str, Any], tag: str) -> Any:
    """First value of a tag in DICOM's JSON; None without one.

    Parameters
    ----------
    row : mapping
        One match.
    tag : str
        Eight hexadecimal digits.
    """
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def count_of(row: Mapping[str, Any], tag: str) -> int | None:
    """A number of the kind that counts; None where it is none. Some servers write it as text.

    Parameters
    ----------
    row : mapping
        One match.
    tag : str
        Eight hexadecimal digits.
    """
    text = str(value_of(row, tag)).strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None


def not_dicomweb(peer: WebPeer) -> PeerRefuses:
    """The error of an answer that cannot be read.

    Parameters
    ----------
    peer : WebPeer
        The server.
    """
    return PeerRefuses(f"{peer} answers, but not as DICOMweb: is the path right?")


def http_error(peer: WebPeer, status: int) -> NodeError:
    """What a status of HTTP means, as an error.

    Parameters
    ----------
    peer : WebPeer
        Who said so.
    status : int
        400 or more.
    """
    kind = PeerUnreachable if status in _LATER else PeerRefuses
    words = _WORDS.get(status) or ("it has too much to do" if status in (429, 503) else "it failed")
    return kind(f"{peer} said no: {words} (HTTP {status})")
