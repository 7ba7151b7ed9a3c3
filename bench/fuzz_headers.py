"""Scans with a text header (NRRD, MetaImage) that are made up, and then changed where it matters.

Damage of bytes seldom gets past the first line of such a header. Here a whole header is drawn with voxels
that fit it, and up to three of its fields, or what they name, are changed. So a third of them or more reach
the reading of voxels.
"""

import bz2
import gzip
import zlib

import numpy as np

Files = dict[str, "bytes | str"]
"""Content by name below the folder of the scan; text stands for what is no file: see `PIPE`."""

PIPE, FOLDER, LINK = "pipe", "folder", "link to "
"""What may stand in the place of a file; the name of what it leads to follows `LINK`."""

OUTSIDE = "../outside.raw"
"""A file that must not be read. Its bytes are all `SECRET`, but for the first."""

SECRET = 0xA5
HERE = b"@here@"
"""In a header: the folder of the scan, as an absolute name."""

LABELS = ("fields.nrrd", "fields.nhdr", "fields.mha", "fields.mhd", "pipe")

_NUMBERS = (
    "3e5",
    "3.9e9",
    "3900000000",
    "-1",
    "0",
    "1",
    "2",
    "4",
    "03",
    "3.0",
    "nan",
    "1e308",
    "-inf",
    "0x3",
)
_NUMBERS += ("1e-9", "9" * 30, "2147483648", "", "3 3", "1,1", "%d%n", "٣")
_WORDS = (
    "LOCAL",
    "LIST",
    "True",
    "False",
    "raw",
    "gzip",
    "none",
    "(0,0,0)",
    "(1,0,0",
    "???",
    "big",
    "double",
)
_WORDS += ("MET_SHORT", "MET_LONG_LONG", "hex", "bzip2", "ascii", "time", "vector")
_NAMES = (OUTSIDE, "@here@/../outside.raw", "@here@/scan.raw", "/dev/zero", "below/../scan.raw", "./scan.raw")
_NAMES += ("", "..", ".", "scan%d.raw 1 3 1", "LIST", "scan.raw\0", "missing.raw", "link.raw", "LOCAL")
_NRRD_TYPES = {"short": "i2", "uchar": "u1", "int8": "i1", "uint16": "u2", "unsigned int": "u4"}
_NRRD_TYPES |= {"int64": "i8", "float": "f4", "double": "f8"}
_META_TYPES = {"SHORT": "i2", "UCHAR": "u1", "CHAR": "i1", "USHORT": "u2", "UINT": "u4"}
_META_TYPES |= {"LONG_LONG": "i8", "FLOAT": "f4", "DOUBLE": "f8"}

Fields = list[tuple[str, str]]


def made_up(rng: np.random.Generator, label: str, changes: int | None = None) -> Files:
    """A valid scan, changed in up to three ways; of "pipe" one that is no file.

    Parameters
    ----------
    rng : Generator
        What is drawn.
    label : str
        One of `LABELS`.
    changes : int, optional
        How many, instead of up to three.
    """
    if label == "pipe":
        ending = ("nii", "nii.gz", "mgz", "nrrd", "nhdr", "mha", "mhd")[rng.integers(7)]
        return {f"scan.{ending}": (PIPE, PIPE, LINK + "pipe.raw")[rng.integers(3)], "pipe.raw": PIPE}
    ending = label.split(".")[1]
    nrrd = ending[0] == "n"
    apart = ending in ("nhdr", "mhd") or rng.random() < 0.2
    fields, data = (_nrrd if nrrd else _meta)(rng, apart)
    files: Files = {"scan.raw": data, "link.raw": LINK + ("scan.raw", OUTSIDE)[rng.integers(2)]}
    for _ in range(rng.choice(4, p=(0.2, 0.4, 0.25, 0.15)) if changes is None else changes):
        ways = [_number, _number, _number, _word, _drop, _double, _move, _rename, _remark]
        if rng.random() < 0.3 and apart:
            _name(rng, fields, files)
        elif rng.random() < 0.2:
            raw = files["scan.raw"]
            files["scan.raw"] = _data(rng, raw) if isinstance(raw, bytes) else raw
        else:
            ways[rng.integers(len(ways))](rng, fields)
    header = _written(rng, fields, nrrd)
    if not apart and isinstance(files["scan.raw"], bytes):
        return {f"scan.{ending}": header + files["scan.raw"]}
    outside = b"\x01" + bytes([SECRET]) * max(len(data), 64)
    return {f"scan.{ending}": header, OUTSIDE: outside, **files}


def _written(rng: np.random.Generator, fields: Fields, nrrd: bool) -> bytes:
    end = ("\n", "\r\n")[rng.random() < 0.1]
    if nrrd:
        rows = [f"NRRD000{rng.integers(1, 6)}", *(f"{key}: {value}" for key, value in fields), ""]
    else:
        rows = [f"{key} = {value}" for key, value in fields]
    return "".join(row + end for row in rows).encode()


def _sizes(rng: np.random.Generator) -> tuple[list[int], int | None]:
    """Sizes of the axes, and which of them numbers volumes, if one does."""
    sizes = [int(n) for n in rng.integers(2, 8, 3)]
    if rng.random() < 0.75:
        return sizes, None
    series = int(rng.integers(4))
    sizes.insert(series, int(rng.integers(1, 4)))
    return sizes, series


def _voxels(rng: np.random.Generator, sizes: list[int], dtype: np.dtype) -> np.ndarray:
    return rng.integers(0, 100, int(np.prod(sizes))).astype(dtype)


def _turn(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(3, 3)))[0]


def _nrrd(rng: np.random.Generator, apart: bool) -> tuple[Fields, bytes]:
    sizes, series = _sizes(rng)
    name, kind = list(_NRRD_TYPES.items())[rng.integers(len(_NRRD_TYPES))]
    order = ("little", "big")[rng.integers(2)]
    voxels = _voxels(rng, sizes, np.dtype(kind).newbyteorder(order[0].replace("l", "<").replace("b", ">")))
    encoding = ("raw", "raw", "gzip", "bz2", "ascii", "hex")[rng.integers(6)]
    raw = voxels.tobytes()
    data = {
        "gzip": lambda: gzip.compress(raw, mtime=0),
        "bz2": lambda: bz2.compress(raw),
        "ascii": lambda: " ".join(map(str, voxels.tolist())).encode(),
        "hex": raw.hex().encode,
    }.get(encoding, lambda: raw)()
    vectors = [f"({','.join(f'{n:.9g}' for n in row)})" for row in _turn(rng) * rng.uniform(0.5, 4, (3, 1))]
    kinds = ["domain"] * 3
    if series is not None:
        vectors.insert(series, "none")
        kinds.insert(series, ("list", "time")[rng.integers(2)])
    fields = [("type", name), ("dimension", str(len(sizes)))]
    if rng.random() < 0.8:
        space = ("left-posterior-superior", "RAS", "left-anterior-superior", "scanner-xyz")[rng.integers(4)]
        fields += [("space", space), ("sizes", " ".join(map(str, sizes)))]
        fields += [("space directions", " ".join(vectors)), ("space origin", "(1.5,-20,3e1)")]
        fields += [("space units", '"mm" "mm" "mm"')] * (rng.random() < 0.3)
        fields += [("kinds", " ".join(kinds))] * (series is not None or rng.random() < 0.7)
    else:
        spacings = ["nan" if kind != "domain" else "1.25" for kind in kinds]
        fields += [("sizes", " ".join(map(str, sizes))), ("spacings", " ".join(spacings))]
        fields += [("kinds", " ".join(kinds))]
    fields += [("endian", order), ("encoding", encoding)]
    if rng.random() < 0.2:
        fields, data = [*fields, ("line skip", "1")], b"a line\n" + data
    return fields + [("data file", "scan.raw")] * apart, data


def _meta(rng: np.random.Generator, apart: bool) -> tuple[Fields, bytes]:
    sizes, series = _sizes(rng)
    if series is not None:
        sizes.append(sizes.pop(series))
    n = len(sizes)
    name, kind = list(_META_TYPES.items())[rng.integers(len(_META_TYPES))]
    big = bool(rng.integers(2))
    voxels = _voxels(rng, sizes, np.dtype(kind).newbyteorder(">" if big else "<"))
    data = voxels.tobytes()
    matrix = np.eye(n)
    matrix[:3, :3] = _turn(rng)
    fields = [("ObjectType", "Image"), ("NDims", str(n))]
    if rng.random() < 0.15:
        data = " ".join(map(str, voxels.tolist())).encode()
        fields += [("BinaryData", "False")]
    else:
        fields += [("BinaryData", "True"), ("BinaryDataByteOrderMSB", str(big))]
        if rng.random() < 0.4:
            data = zlib.compress(data)
            fields += [("CompressedData", "True"), ("CompressedDataSize", str(len(data)))]
    key = ("TransformMatrix", "Orientation", "Rotation")[rng.integers(3)]
    fields += [(key, " ".join(f"{number:.9g}" for number in matrix.ravel()))]
    fields += [(("Offset", "Position", "Origin")[rng.integers(3)], " ".join(["-12.5"] * n))]
    fields += [("ElementSpacing", " ".join(["1.5"] * n)), ("DimSize", " ".join(map(str, sizes)))]
    fields += [("ElementNumberOfChannels", "1")] * (rng.random() < 0.3)
    fields += [("ElementType", f"MET_{name}"), ("ElementDataFile", "scan.raw" if apart else "LOCAL")]
    return fields, data


def _at(rng: np.random.Generator, fields: Fields) -> int:
    return int(rng.integers(max(1, len(fields))))


def _number(rng: np.random.Generator, fields: Fields) -> None:
    """One word of one value becomes another number."""
    at = _at(rng, fields)
    key, value = fields[at]
    words = value.split(" ")
    words[rng.integers(len(words))] = _NUMBERS[rng.integers(len(_NUMBERS))]
    fields[at] = (key, " ".join(words))


def _word(rng: np.random.Generator, fields: Fields) -> None:
    """A value becomes that of another field, or a word that means something elsewhere."""
    at = _at(rng, fields)
    words = (fields[_at(rng, fields)][1], _WORDS[rng.integers(len(_WORDS))])
    fields[at] = (fields[at][0], words[rng.integers(2)])


def _drop(rng: np.random.Generator, fields: Fields) -> None:
    if len(fields) > 1:
        del fields[_at(rng, fields)]


def _double(rng: np.random.Generator, fields: Fields) -> None:
    fields.insert(_at(rng, fields), fields[_at(rng, fields)])


def _move(rng: np.random.Generator, fields: Fields) -> None:
    fields.insert(_at(rng, fields), fields.pop(_at(rng, fields)))


def _rename(rng: np.random.Generator, fields: Fields) -> None:
    """A key in other letters, with blanks, or with a byte too many."""
    at = _at(rng, fields)
    key, value = fields[at]
    fields[at] = ((key.lower(), key.upper(), f" {key} ", f"{key}\t", f"{key}x")[rng.integers(5)], value)


def _remark(rng: np.random.Generator, fields: Fields) -> None:
    """A comment, a free pair or a field of one's own, which speaks of another; now and then a long one."""
    key, value = fields[_at(rng, fields)]
    long = "x" * (1 << 20) if rng.random() < 0.05 else ""
    remarks = [(f"# {key}", value), (f"{key}:=", value), ("Comment", f"{key} = {value}{long}"), ("#", long)]
    fields.insert(_at(rng, fields), remarks[rng.integers(4)])


def _name(rng: np.random.Generator, fields: Fields, files: Files) -> None:
    """Another file is named, or something else stands where the file was."""
    if rng.random() < 0.6:
        key, _ = fields[-1]
        fields[-1] = (key, _NAMES[rng.integers(len(_NAMES))])
    else:
        others = (PIPE, FOLDER, LINK + OUTSIDE, LINK + "link.raw", LINK + "scan.raw", LINK + "/dev/zero")
        files["scan.raw"] = others[rng.integers(len(others))]


def _data(rng: np.random.Generator, raw: bytes) -> bytes:
    """Voxels cut short, with more behind them, or with a flipped bit."""
    at = int(rng.integers(max(1, len(raw))))
    flipped = raw[:at] + bytes([raw[at] ^ 1 << int(rng.integers(8))]) + raw[at + 1 :] if raw else raw
    return (raw[:at], raw + rng.bytes(at), raw + bytes(1 << 20), flipped)[rng.integers(4)]
