"""Who results are sent to, and who is asked: an application entity, or a DICOMweb server."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import NodeError

LONGEST_TITLE = 16
_PEER = re.compile(r"(?P<aet>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:/\s]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Peer:
    """An application entity that is spoken to by DICOM's own protocol.

    Parameters
    ----------
    aet : str
        Its title, at most 16 characters.
    host : str
        Name or address.
    port : int
        1 to 65535.
    """

    aet: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.aet}@{host}:{self.port}"


@dataclass(frozen=True)
class WebPeer:
    """A DICOMweb server.

    Parameters
    ----------
    url : str
        Where its services are, without a slash at the end.
    """

    url: str

    def __str__(self) -> str:
        return self.url


def peer_from(text: str) -> Peer | WebPeer:
    """The peer that a text names.

    Parameters
    ----------
    text : str
        `AET@host:port`, or the address of a DICOMweb server.

    Raises
    ------
    NodeError
        It is neither; or it holds a password, which every user of the machine could read.

    Examples
    --------
    >>> peer_from("ORTHANC@127.0.0.1:4242")
    Peer(aet='ORTHANC', host='127.0.0.1', port=4242)
    >>> peer_from("https://pacs.example/dicom-web/")
    WebPeer(url='https://pacs.example/dicom-web')
    """
    if text.lower().startswith(("http://", "https://")):
        return WebPeer(_web_address(text))
    found = _PEER.fullmatch(text)
    if found is None:
        raise NodeError(f"expected a peer as AET@host:port or https://…, got {text!r}")
    port = int(found["port"])
    if not 1 <= port <= 65535:
        raise NodeError(f"expected a port from 1 to 65535, got {port} in {text!r}")
    return Peer(aet_from(found["aet"]), found["host"].strip("[]"), port)


def aet_from(text: str) -> str:
    """An application entity title, without spaces around it, which do not count (PS3.5, 6.2).

    Parameters
    ----------
    text : str
        The title.

    Raises
    ------
    NodeError
        It is empty, longer than 16 characters, or has others than ASCII's; a backslash is not allowed.
    """
    title = text.strip(" ")
    if 1 <= len(title) <= LONGEST_TITLE and title.isascii() and title.isprintable() and "\\" not in title:
        return title
    raise NodeError(
        f"expected an AE title of 1 to {LONGEST_TITLE} ASCII characters without a backslash, got {text!r}"
    )


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or any(c.isspace() for c in text):
        raise NodeError(f"expected the address of a DICOMweb server as https://host/path, got {text!r}")
    if parts.username is not None or parts.password is not None:
        raise NodeError(
            "an address holds a name or a password, which others could read: put both into ~/.netrc"
        )
    if parts.query or parts.fragment:
        raise NodeError(f"expected an address without ? and #, got {text!r}")
    return text.rstrip("/")
