"""Any path or sentence as one cell of a TSV file, and back."""

import re

_PLAIN = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ACTS = ('"', *"=+-@", *"＝＋－＠")  # and as wide as a Chinese character
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)", re.ASCII)
_BACK = {written: plain for plain, written in _PLAIN.items()}


def to_cell(text: str) -> str:
    r"""`text` without tabs and line ends: `\t`, `\n`, `\r`, `\\`, and `\xNN` for other bytes.

    So is a quotation mark at its beginning, which would open a quoted cell, and = + - @ there, which a
    spreadsheet would take for a formula, unless the cell is a number.

    Parameters
    ----------
    text : str
        Any.

    Examples
    --------
    >>> print(to_cell("a\tb\udcff"), to_cell('"a" b'), to_cell("=1+1"), to_cell("-0.5"))
    a\tb\xff \x22a" b \x3d1+1 -0.5
    """
    cell = "".join(_PLAIN.get(c) or (c if c.isprintable() else _hexadecimal(c)) for c in text)
    if cell.startswith(_ACTS) and not _NUMBER.fullmatch(cell):
        return _hexadecimal(cell[0]) + cell[1:]
    return cell


def from_cell(cell: str) -> str:
    r"""What `to_cell` was given.

    Parameters
    ----------
    cell : str
        From a table.

    Examples
    --------
    >>> from_cell(to_cell("a\\b\tc\udcff\u2028")) == "a\\b\tc\udcff\u2028"
    True
    """
    raw = re.split(r"(\\x[0-9a-f]{2}|\\[tnr\\])", cell)
    parts = [
        bytes.fromhex(p[2:]) if p.startswith("\\x") else _bytes(_BACK.get(p, p) if n % 2 else p)
        for n, p in enumerate(raw)
    ]
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _hexadecimal(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in _bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
