"""Which image another file means: by its path, or by the end of its path where only one image has it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from ..scan.names import EXTENSIONS, printable
from ..scan.picture_files import PICTURE_EXTENSIONS
from .xray_set import listed

ENDINGS = (*PICTURE_EXTENSIONS, *EXTENSIONS, ".gif", ".npy", ".dcm", ".dicom", ".ima")


def plain_stem(name: str) -> str:
    """A file's name without its ending, if that is one of images; the dots of a DICOM number stay.

    Parameters
    ----------
    name : str
        Of an image or of a mask.

    Examples
    --------
    >>> plain_stem("a.b.png"), plain_stem("x.nii.gz"), plain_stem("1.2.840.5"), plain_stem("1.2.840.5.dcm")
    ('a.b', 'x', '1.2.840.5', '1.2.840.5')
    """
    lower = name.lower()
    ending = next((one for one in ENDINGS if lower.endswith(one)), "")
    return name[: len(name) - len(ending)]


def paired(
    names: Sequence[str], others: Iterable[str], called: Callable[[str], str] = str
) -> tuple[dict[str, str], list[str]]:
    """The name that each of the others means, and a sentence for each that may mean several.

    A name with the same path is meant, whatever the ending; else the one name whose end the other is, or that
    is the end of the other. Others that mean none are left out.

    Parameters
    ----------
    names : sequence of str
        Paths of images, with slashes.
    others : iterable of str
        What means them.
    called : function
        Gives the path that an other stands for.

    Examples
    --------
    >>> paired(["p1/a.png", "p2/a.png", "p3/b.dcm"], ["p1/a.jpg", "b", "c.png"])
    ({'p1/a.jpg': 'p1/a.png', 'b': 'p3/b.dcm'}, [])
    >>> paired(["p1/a.png", "p2/a.png"], ["a.png"])
    ({}, ['a.png may be p1/a.png, p2/a.png'])
    """
    exact, whole, ends = set(names), defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name in names:
        first, *shorter = _ends_of(name)
        whole[first].append(name)
        for end in shorter:
            ends[end].append(name)
    found, problems, claims = dict[str, str](), list[str](), defaultdict[str, list[tuple[bool, str]]](list)
    for other in dict.fromkeys(others):
        path = called(other)
        first, *shorter = _ends_of(path)
        same = [path] if path in exact else whole.get(first, [])
        meant = same or [*ends.get(first, []), *(name for end in shorter for name in whole.get(end, []))]
        if len(meant) > 1:
            problems.append(f"{printable(other)} may be {listed(meant)}")
        elif meant:
            claims[meant[0]].append((bool(same), other))
    for name, claimed in claims.items():
        best = [other for is_whole, other in claimed if is_whole] or [other for _, other in claimed]
        if len(best) > 1:
            problems.append(f"{listed(best)} may all be {printable(name)}")
        found |= {other: name for other in best}
    return found, problems


def _ends_of(name: str) -> list[str]:
    """The path without its ending, and every shorter end of it."""
    parts = PurePosixPath(plain_stem(name)).parts or ("",)
    return ["/".join(parts[n:]) for n in range(len(parts))]
