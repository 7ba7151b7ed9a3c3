"""Fetch new series from a DICOMweb server: QIDO-RS says what is there, WADO-RS brings each file as it is."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from ..maker import NAME
from .errors import PeerRefuses
from .inbox import LARGEST, HandedOver, Taker, digest, taker_of
from .peers import WebPeer
from .tls import Tls
from .web import client_of, count_of, not_dicomweb, require_plain, rows_of, session_of, spoken, value_of

MODALITIES = ("MR", "CT")
PAGE = 100  # studies or instances that are asked for at once
MOST = 100_000  # of studies, or of instances of a series
_BLOCK = 1 << 20
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_STUDY, _SERIES, _INSTANCE, _COUNT = "0020000D", "0020000E", "00080018", "00201209"
_MODALITY, _MANUFACTURER = "00080060", "00080070"


@dataclass(frozen=True)
class Pulled:
    """What a look at a server brought.

    Parameters
    ----------
    instances : int
        Handed over now.
    series : tuple of str
        UIDs of the series that they are of.
    """

    instances: int
    series: tuple[str, ...]


def pull(
    web: WebPeer,
    into: Taker | Path,
    memory: Path | HandedOver,
    *,
    study_uid: str | None = None,
    since: date | None = None,
    largest: int = LARGEST,
    is_ended: Callable[[], bool] = bool,
    tls: Tls | None = None,
) -> Pulled:
    """Fetch the instances of a server that were not fetched before, and that sanum did not make.

    Parameters
    ----------
    web : WebPeer
        The server.
    into : function or Path
        Takes the bytes of each instance, or the folder that they are written into.
    memory : Path or HandedOver
        What remembers what was fetched, or the file that it is in.
    study_uid : str, optional
        Of this study alone.
    since : date, optional
        Of studies of this day and later; default: all.
    largest : int
        Bytes of one instance; a larger one is left there.
    is_ended : function
        Whether to stop before all is here.
    tls : Tls, optional
        Certificates; default: those of the system for https.

    Raises
    ------
    PeerUnreachable
        No answer. What was fetched before that is remembered.
    PeerRefuses
        The server says no, or what it says cannot be read. Where it is one instance that cannot be fetched,
        the others are.
    """
    take, known = taker_of(into), memory if isinstance(memory, HandedOver) else HandedOver(memory)
    client, session = client_of(web, tls), session_of(tls)
    count, trouble = 0, None
    series: dict[str, None] = {}
    for study in [study_uid] if study_uid else _studies(web, client, since):
        for one, expected in _series(web, client, study):
            group = digest(one)
            if expected is not None and known.count(group) >= expected:
                continue
            for instance in _instances(web, client, study, one):
                if is_ended():
                    return Pulled(count, tuple(series))
                key = f"{group} {digest(instance)}"
                if key in known:
                    continue
                address = f"{web.url}/studies/{study}/series/{one}/instances/{instance}"
                try:
                    content = _retrieve(web, session, address, largest)
                except PeerRefuses as error:
                    trouble = error
                    continue
                take(content)
                known.add(key)
                count, series[one] = count + 1, None
        if is_ended():
            break
    if trouble:
        raise trouble
    return Pulled(count, tuple(series))


def _studies(web: WebPeer, client: Any, since: date | None) -> Iterator[str]:
    filters = {} if since is None else {"StudyDate": f"{since:%Y%m%d}-"}
    return _pages(web, lambda more: client.search_for_studies(search_filters=filters, **more), _STUDY)


def _series(web: WebPeer, client: Any, study: str) -> Iterator[tuple[str, int | None]]:
    wanted = [_COUNT, _MANUFACTURER]
    for row in rows_of(web, lambda: client.search_for_series(study, fields=wanted)):
        if value_of(row, _MODALITY) in MODALITIES and value_of(row, _MANUFACTURER) != NAME:
            yield _uid(web, row, _SERIES), count_of(row, _COUNT)


def _instances(web: WebPeer, client: Any, study: str, series: str) -> Iterator[str]:
    return _pages(web, lambda more: client.search_for_instances(study, series, **more), _INSTANCE)


def _pages(web: WebPeer, ask: Any, tag: str) -> Iterator[str]:
    """Identifiers, page by page; a server that ignores `offset` sends the same again, which ends it."""
    seen: dict[str, None] = {}
    while True:
        more = {"limit": PAGE, "offset": len(seen)}
        found = rows_of(web, partial(ask, more))
        new = [uid for uid in (_uid(web, row, tag) for row in found) if uid not in seen]
        seen.update(dict.fromkeys(new))
        yield from new
        if not new:
            return
        if len(seen) >= MOST:
            raise PeerRefuses(f"{web} answers without an end: {len(seen)} studies or instances, and more")


def _uid(web: WebPeer, row: Mapping[str, Any], tag: str) -> str:
    uid = value_of(row, tag)
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise not_dicomweb(web)
    return uid


def _retrieve(web: WebPeer, session: Any, address: str, largest: int) -> bytes:
    wanted = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    with spoken(web):
        answer = session.get(address, headers={"Accept": wanted}, stream=True, timeout=(10.0, 60.0))
        with answer:
            answer.raise_for_status()
            require_plain(web, answer)
            body = bytearray()
            for block in answer.iter_content(_BLOCK):
                body += block
                if len(body) > largest:
                    raise PeerRefuses(f"{web} sends an instance of more than {largest / 1e6:.0f} MB")
            kind = answer.headers.get("Content-Type", "")
    return only_part(body, kind, web)


def only_part(body: bytes | bytearray, kind: str, web: WebPeer) -> bytes:
    """The one file in an answer of WADO-RS.

    Parameters
    ----------
    body : bytes
        Of the answer.
    kind : str
        Its content type; a plain `application/dicom` is taken too.
    web : WebPeer
        Who sent it.

    Raises
    ------
    PeerRefuses
        It is none, or not one.
    """
    if kind.lower().startswith("application/dicom"):
        return bytes(body)
    found = re.search(r'boundary="?([^";]+)"?', kind, re.IGNORECASE)
    if found is not None:
        mark = b"--" + found[1].encode("latin-1")
        start = 0 if body.startswith(mark) else body.find(b"\r\n" + mark)
        begin = body.find(b"\r\n\r\n", start) + 4
        end = body.find(b"\r\n" + mark, begin)
        if start >= 0 and begin > 3 and end > 0 and body[end + 2 + len(mark) :].startswith(b"--"):
            return bytes(body[begin:end])
    raise PeerRefuses(f"{web} answers, but not with one file as WADO-RS does")
