"""File names: what an input's name says, and what its outputs are called (BIDS where possible)."""

import hashlib
import re
from pathlib import Path

EXTENSIONS = (".nii.gz", ".nii", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of the files that `sanum.scan.read` takes; DICOM is known by its content instead."""

_OTHER_ENDINGS = (
    *(".dcm", ".dicom", ".ima", ".zip", ".json", ".npy", ".npz", ".h5", ".hdf5", ".mrd"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"),
)

LONGEST_STEM = 150
"""Bytes; leaves room below the 255 of most file systems for what the outputs add."""

ENTITIES = (
    *("sub", "ses", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec", "dir"),
    *("run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording"),
    *("chunk", "atlas", "seg", "scale", "res", "den", "label", "desc"),
)
"""Of BIDS names, by their short keys and in the order that they have in names."""

_BIDS = re.compile(r"sub-[A-Za-z0-9+]+(_[a-z]+-[A-Za-z0-9+]+)*(_[A-Za-z0-9]+)?")
_HOSTILE = frozenset('/\\:*?"<>|')


def stem_of(path: str | Path) -> str:
    """Name that all outputs of one input start with.

    BIDS names (`sub-…`) keep their entities in BIDS order without `desc`; the suffix moves into `acq`, so
    that T1w, T2w and FLAIR of one session do not collide. Other names lose their extension. Whatever could
    leave the output folder or break a terminal (separators, control characters, undecodable bytes) becomes
    "-", and names over 150 bytes are cut and end in a hash of the whole.

    Parameters
    ----------
    path : str or Path
        An input file, a DICOM folder, or a stem (which comes back unchanged).

    Returns
    -------
    str
        A single, non-empty path component of at most 150 bytes.

    Examples
    --------
    >>> stem_of("in/sub-ms1_desc-brain_FLAIR.nii.gz"), stem_of("sub-1_run-2_acq-hi_T2w.mgz")
    ('sub-ms1_acq-FLAIR', 'sub-1_acq-hiT2w_run-2')
    >>> stem_of("in/scan.nii.gz"), stem_of("in/series 3/")
    ('scan', 'series 3')
    """
    name = bare_name(path)
    entities, suffix = _bids_parts(name)
    if entities:
        entities.pop("desc", None)
        if suffix:
            entities["acq"] = entities.get("acq", "") + suffix
        known = {key: place for place, key in enumerate(ENTITIES)}
        keys = sorted(entities, key=lambda key: known.get(key, len(ENTITIES)))
        name = "_".join(f"{key}-{entities[key]}" for key in keys)
    return _shortened(name)


def entities_of(path: str | Path) -> tuple[dict[str, str], str | None]:
    """Entities and suffix of a BIDS name; no entities where it is none.

    Parameters
    ----------
    path : str or Path
        A file or a folder; only its name counts.

    Examples
    --------
    >>> entities_of("in/sub-1_run-2_T2w.nii.gz")
    ({'sub': '1', 'run': '2'}, 'T2w')
    """
    return _bids_parts(bare_name(path))


def output_name(path_or_stem: str | Path, desc: str | None, suffix: str, extension: str = ".nii.gz") -> str:
    """File name of one output; `desc` None leaves that entity out.

    Parameters
    ----------
    path_or_stem : str or Path
        The input, or its stem.
    desc : str or None
        Label of the entity `desc`.
    suffix : str
        BIDS suffix, the last word before the extension.
    extension : str
        With the dot.

    Examples
    --------
    >>> output_name("sub-1_T2w.nii.gz", "anatomy", "T1w")
    'sub-1_acq-T2w_desc-anatomy_T1w.nii.gz'
    >>> output_name("scan", None, "report", ".html")
    'scan_report.html'
    """
    entity = f"_desc-{desc}" if desc else ""
    return f"{stem_of(path_or_stem)}{entity}_{suffix}{extension}"


def folder_name(relative: Path) -> Path:
    r"""Folders of outputs that mirror those of inputs, without what could leave the output folder.

    Parameters
    ----------
    relative : Path
        A folder below that of the inputs.

    Examples
    --------
    >>> folder_name(Path("sub-1/.../two\nlines")).as_posix()
    'sub-1/scan/two-lines'
    """
    return Path(*(_shortened(_plain(part)) for part in relative.parts))


def printable(path: str | Path) -> str:
    """`path` for a message: whatever a terminal could not print, or would obey, becomes "?".

    Parameters
    ----------
    path : str or Path
        Any text.
    """
    return "".join(c if c.isprintable() else "?" for c in str(path))


def bare_name(path: str | Path) -> str:
    """Last component of a path without image extensions and hostile characters, never empty.

    Parameters
    ----------
    path : str or Path
        A file or a folder.
    """
    path = Path(path)
    if path.name in ("", ".."):
        path = path.resolve()
    name = path.name
    while (
        ending := next((e for e in (*EXTENSIONS, *_OTHER_ENDINGS) if name.lower().endswith(e)), None)
    ) is not None:
        name = name[: -len(ending)]
    return _plain(name)


def _plain(name: str) -> str:
    name = "".join("-" if c in _HOSTILE or not c.isprintable() else c for c in name)
    return name.lstrip(".") or "scan"


def _bids_parts(name: str) -> tuple[dict[str, str], str | None]:
    """Entities and suffix of a BIDS name; no entities where it is none."""
    if not _BIDS.fullmatch(name):
        return {}, None
    parts = name.split("_")
    suffix = parts.pop() if "-" not in parts[-1] else None
    entities = dict(part.split("-") for part in parts)
    return (entities, suffix) if len(entities) == len(parts) else ({}, None)


def _shortened(name: str) -> str:
    raw = name.encode()
    if len(raw) <= LONGEST_STEM:
        return name
    mark = "-" + hashlib.sha256(raw).hexdigest()[:8]
    return raw[: LONGEST_STEM - len(mark)].decode(errors="ignore") + mark
