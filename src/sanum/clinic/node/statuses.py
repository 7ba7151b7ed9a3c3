"""What a peer says to one instance, in words (PS3.4, B.2.3; PS3.7, C; PS3.18, 10.5)."""

SUCCESS = 0x0000
NO_SUCH_CLASS = 0x0122
NOT_ALLOWED = 0x0124
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700

_WORDS = {
    0x0105: "no such attribute",
    0x0106: "an attribute has a value that is not allowed",
    0x0107: "stored, with a warning: an attribute list has an error",
    0x0110: "the peer failed while it worked on it",
    0x0111: "the peer has another object of this identifier",
    0x0112: "no such object",
    0x0115: "an argument has a value that is not allowed",
    0x0116: "stored, with a warning: a value is out of range",
    0x0117: "the peer takes it for no valid object",
    0x0118: "no such kind of object",
    0x0119: "kind and identifier do not fit",
    0x0120: "an attribute is missing that the peer needs",
    0x0121: "a value is missing that the peer needs",
    0x0122: "refused: the peer does not take this kind of object",
    0x0124: "refused: this node is not allowed to store",
    0x0210: "the peer got the message twice",
    0x0211: "the peer does not know this operation",
    0x0212: "the peer did not expect such a message",
    0x0213: "refused: out of resources",
    0xB000: "stored, with a warning: the peer changed values",
    0xB006: "stored, with a warning: the peer left elements out",
    0xB007: "stored, with a warning: the data do not fit the kind of object",
    0xFE00: "the peer broke it off",
}
_RANGES = {
    0xA7: "refused: out of resources",
    0xA9: "refused: the data do not fit the kind of object",
    **dict.fromkeys(range(0xC0, 0xD0), "the peer cannot understand it"),
}
_STORED = (SUCCESS, 0x0001, 0x0107, 0x0116)


def words_of(status: int, comment: str = "") -> str:
    """What a status means, in words, and its number.

    Parameters
    ----------
    status : int
        Of a storage, 16 bits.
    comment : str
        What we know beside it, such as which kind of object it is.

    Examples
    --------
    >>> words_of(0xA701)
    'refused: out of resources (A701)'
    """
    said = f": {comment}" if comment else ""
    if status == SUCCESS:
        return "stored"
    words = _WORDS.get(status) or _RANGES.get(status >> 8)
    if words is None:
        words = "stored, with a warning" if is_stored(status) else "the peer failed"
    return f"{words} ({status:04X}{said})"


def is_stored(status: int) -> bool:
    """Whether an object with this status is in the archive: success, or a warning.

    Parameters
    ----------
    status : int
        Of a storage.
    """
    return status in _STORED or 0xB000 <= status <= 0xBFFF


def may_pass(status: int) -> bool:
    """Whether the same object may be stored a little later: the peer was out of resources.

    Parameters
    ----------
    status : int
        Of a storage.
    """
    return status == 0x0213 or 0xA700 <= status <= 0xA7FF
