"""How many instances an archive says that a series has."""

import pydicom

from ...scan.dicom_file import text_of
from .dimse import association
from .errors import NothingOffered, PeerUnreachable
from .peers import Peer, WebPeer
from .tls import Tls

_FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve, FIND
_PLAIN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_COUNT = "00201209"  # NumberOfSeriesRelatedInstances


def instances_expected(
    peer: Peer | WebPeer, study_uid: str, series_uid: str, *, own_aet: str, tls: Tls | None = None
) -> int | None:
    """How many instances a series has in an archive; None where it does not say, or does not know the series.

    Asked by C-FIND (NumberOfSeriesRelatedInstances) or QIDO-RS.

    Parameters
    ----------
    peer : Peer or WebPeer
        The archive.
    study_uid, series_uid : str
        Of the series.
    own_aet : str
        Title of this node.
    tls : Tls, optional
        Certificates.

    Raises
    ------
    PeerUnreachable
        It does not answer.
    PeerRefuses
        It does not speak to this node.
    """
    if isinstance(peer, WebPeer):
        return _by_web(peer, study_uid, series_uid, tls)
    query = pydicom.Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID, query.SeriesInstanceUID = study_uid, series_uid
    query.NumberOfSeriesRelatedInstances = None
    found = ""
    try:
        with association(peer, [(_FIND, _PLAIN)], own_aet, tls) as link:
            for status, match in link.send_c_find(query, _FIND):
                if "Status" not in status:
                    raise PeerUnreachable(f"{peer} went away, or did not answer")
                if match is not None and match.get("SeriesInstanceUID") == series_uid:
                    found = text_of(match, "NumberOfSeriesRelatedInstances").strip()
    except NothingOffered:
        return None
    return int(found) if found.isdecimal() and len(found) < 10 else None


def _by_web(peer: WebPeer, study_uid: str, series_uid: str, tls: Tls | None) -> int | None:
    from .web import client_of, count_of, rows_of, value_of

    client, wanted = client_of(peer, tls), {"SeriesInstanceUID": series_uid}
    found = rows_of(peer, lambda: client.search_for_series(study_uid, fields=[_COUNT], search_filters=wanted))
    for row in found:
        if value_of(row, "0020000E") == series_uid:
            return count_of(row, _COUNT)
    return None
