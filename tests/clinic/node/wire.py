"""Sending to a node as a scanner does, and as none should: raw bytes in place of a data set."""

import time
from contextlib import suppress
from io import BytesIO

from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def linked(
    port, own="MODALITY", to="SANUM", kinds=(MRImageStorage,), syntaxes=(ExplicitVRLittleEndian,), **more
):
    """An association, established or not."""
    from pynetdicom import AE

    entity = AE(own)
    for kind in kinds:
        for syntax in syntaxes:
            entity.add_requested_context(kind, syntax)
    return entity.associate("127.0.0.1", port, ae_title=to, **more)


def store_raw(link, content, uid=None):
    """Status of any bytes, sent as the data set of an MR image; None where the other end hangs up."""
    from pynetdicom.dimse_primitives import C_STORE

    context = link.accepted_contexts[0]
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = context.abstract_syntax
    request.AffectedSOPInstanceUID = uid or generate_uid(None)
    request.DataSet = BytesIO(content)
    link._reactor_checkpoint.clear()
    while not link._is_paused:
        time.sleep(0.0001)
    link.dimse.send_msg(request, context.context_id)
    _, answer = link.dimse.get_msg(block=True)
    link._reactor_checkpoint.set()
    if answer is None:
        with suppress(AttributeError):  # pynetdicom leaves a socket open whose other end is gone
            link.dul.socket.socket.close()
        return None
    return answer.Status


def raw(one):
    """The data set of an object, encoded."""
    buffer = BytesIO()
    one.save_as(buffer, implicit_vr=False, little_endian=True)
    return buffer.getvalue()
