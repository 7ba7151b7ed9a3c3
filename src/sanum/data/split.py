"""Training and held-out subjects and masks, the same for every method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..synth.labels import on_one_grid
from ..synth.subjects import Pair, Subjects, ixi_pairs, subject_of, subjects_in

HELD_OUT_SUBJECTS = 8  # at most, unless a number is asked for
HELD_OUT_SHARE = 1 / 8  # of few subjects
FEW = 20  # subjects: fewer to train on are few
HELD_OUT_MASKS = range(90, 100)
MASKS = "lesions/*_mask.nii.gz"
LAYOUT = {
    "T1w": "ixi/sub-*/anat/*_T1w.nii.gz",
    "labels": "ixi/derivatives/*/sub-*/**/*_dseg.nii.gz",
}
"""What one of; the folder itself may be in the place of ixi/, and see `synth.subjects` for other layouts."""

Split = tuple[list[Pair], list[Pair]]


@dataclass(frozen=True)
class SubjectsConfig:
    """Which labels are learned from, and who is never trained on.

    Parameters
    ----------
    labels : str
        Folder of the labels: a path, or a name in `derivatives`; empty: that of `derivatives` with most.
    hold_out : str
        Subjects that are not trained on: how many (the last in sorted order), their names with commas between
        (sub-01,sub-02), or a file with a name a line; empty: one in eight, and at most 8.
    ignore_unknown : bool
        A voxel with an unknown label gets that of its neighbours.
    """

    labels: str = ""
    hold_out: str = ""
    ignore_unknown: bool = False


AS_USUAL = SubjectsConfig()


def root_of(data: Path) -> Path:
    """Folder of the subjects: ixi/ in a folder of data, or that folder itself.

    Parameters
    ----------
    data : Path
        Folder of data.
    """
    return data / "ixi" if (data / "ixi").is_dir() or not data.is_dir() else data


def split_subjects(data: Path, config: SubjectsConfig = AS_USUAL) -> Split:
    """Training and validation subjects: by default the last eighth in sorted order, and at most 8 of them.

    Parameters
    ----------
    data : Path
        Folder with ixi/, or of the subjects themselves.
    config : SubjectsConfig
        Which labels, and who is held out.

    Raises
    ------
    ValueError
        Subjects to hold out that are not there; nobody is left to train on.
    """
    pairs = ixi_pairs(root_of(data), config.labels)
    held = set(held_out(list(dict.fromkeys(subject_of(t1w) for t1w, _ in pairs)), config.hold_out))
    kept = [p for p in pairs if subject_of(p[0]) not in held]
    return kept, [p for p in pairs if subject_of(p[0]) in held]


def held_out_in(data: Path, config: SubjectsConfig = AS_USUAL) -> list[str]:
    """Names of the subjects of a folder that are held out.

    Parameters
    ----------
    data : Path
        As of `split_subjects`.
    config : SubjectsConfig
        As of `split_subjects`.
    """
    return list(dict.fromkeys(subject_of(t1w) for t1w, _ in split_subjects(data, config)[1]))


def held_out(subjects: Sequence[str], wanted: str = "") -> list[str]:
    """Those of the subjects that are held out, in their order.

    Parameters
    ----------
    subjects : sequence of str
        All that have labels, in sorted order.
    wanted : str
        As `SubjectsConfig.hold_out`.

    Raises
    ------
    ValueError
        As `split_subjects`.

    Examples
    --------
    >>> held_out(["sub-1", "sub-2", "sub-3"]), held_out(["sub-1", "sub-2", "sub-3"], "sub-1")
    (['sub-3'], ['sub-1'])
    """
    total = len(subjects)
    if wanted and not wanted.isdecimal():
        return _named(subjects, wanted)
    count = int(wanted) if wanted else min(HELD_OUT_SUBJECTS, max(1, round(total * HELD_OUT_SHARE)))
    if count < 1:
        raise ValueError("--hold-out 0 would leave nobody to look at: hold out at least 1")
    if count >= total:
        raise ValueError(
            f"too few subjects: {total} have labels and the last {count} are held out, so at least "
            f"{count + 1} are needed"
        )
    return list(subjects[-count:])


def _named(subjects: Sequence[str], wanted: str) -> list[str]:
    words = [line.split("#")[0].split() for line in _lines(wanted)]
    names = [w[0] for w in words if w and w[0] != "participant_id"]
    names = [n if n in subjects else f"sub-{n}" if f"sub-{n}" in subjects else n for n in names]
    if unknown := [n for n in dict.fromkeys(names) if n not in subjects]:
        listed = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        raise ValueError(
            f"--hold-out names subjects that have no T1w with labels: {listed}; take other names, a number, "
            "or a file with a name a line"
        )
    if not names:
        raise ValueError(f"--hold-out {wanted} names nobody: give names of subjects, or a number")
    if len(set(names)) == len(subjects):
        raise ValueError(f"--hold-out {wanted} names all {len(subjects)} subjects: leave some to train on")
    return [s for s in subjects if s in names]


def _lines(wanted: str) -> list[str]:
    """Of a file, else what stands between commas."""
    if "," in wanted or not Path(wanted).is_file():
        return wanted.split(",")
    try:
        return Path(wanted).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{wanted} cannot be read: expected a text file with a subject a line") from None


def split_masks(data: Path) -> tuple[list[Path], list[Path]]:
    """Training and validation lesion masks: stroke-090 to stroke-099 are never trained on.

    Of a bank without these the last tenth in sorted order is held out.

    Parameters
    ----------
    data : Path
        Folder with lesions/, which may be missing.
    """
    masks = sorted(data.glob(MASKS))
    names = {f"stroke-{n:03d}_mask.nii.gz" for n in HELD_OUT_MASKS}
    held = [m for m in masks if m.name in names]
    if not held and len(masks) >= 10:
        held = masks[-(len(masks) // 10) :]
    return [m for m in masks if m not in held], held


def require_data(data: Path, *, masks: bool = True, config: SubjectsConfig = AS_USUAL) -> list[str]:
    """What the user should know of a folder of data, in sentences.

    Parameters
    ----------
    data : Path
        Folder with the files of `LAYOUT`.
    masks : bool
        Whether lesion masks are of use.
    config : SubjectsConfig
        Which labels, and who is held out.

    Raises
    ------
    ValueError
        What is missing, all of it; more than half of the subjects have no labels; too few of them have.
    """
    found = subjects_in(root_of(data), config.labels)
    absent = {"T1w": not (found.pairs or found.without), "labels": not found.pairs}
    if missing := [f"{what} ({LAYOUT[what]})" for what, none in absent.items() if none]:
        raise ValueError(f"{data} is no folder to train on: it has no {', no '.join(missing)}")
    kept, held = split_subjects(data, config)
    return [
        *_of_subjects(found),
        *notes_on_grids([*kept, *held]),
        *_of_numbers(kept, held),
        *(_of_masks(data) if masks else ()),
    ]


def _of_subjects(found: Subjects) -> list[str]:
    notes = []
    if found.without:
        notes.append(f"{len(found.without)} subjects without labels are left out: {', '.join(found.without)}")
    if found.others and found.labels:
        others = ", ".join(f.name for f in found.others)
        notes.append(f"labels are those of {found.labels.name}, not of {others}: --labels takes others")
    return notes


def notes_on_grids(pairs: Sequence[tuple[Path | None, Path]]) -> list[str]:
    """A sentence on labels that do not lie on their T1w's grid, if there are some.

    Parameters
    ----------
    pairs : sequence of (Path or None, Path)
        T1w, if there is one, and labels.
    """
    other = [labels for t1w, labels in pairs if t1w is not None and not on_one_grid(t1w, labels)]
    if not other:
        return []
    return [
        f"{len(other)} of {len(pairs)} label maps are on another grid than their T1w, such as "
        f"{subject_of(other[0])}'s: each voxel of the T1w gets the nearest label"
    ]


def _of_numbers(kept: list[Pair], held: list[Pair]) -> list[str]:
    train, rest = (len({subject_of(t1w) for t1w, _ in pairs}) for pairs in (kept, held))
    if train >= FEW:
        return []
    return [
        f"{train} subjects to train on ({rest} held out) are few: expect a network that knows these heads "
        f"better than others, and give {FEW} or more, or begin with trained weights (--from)"
    ]


def _of_masks(data: Path) -> list[str]:
    if split_masks(data)[0]:
        return []
    return [f"no lesion masks ({MASKS}): all anomalies start from noise"]
