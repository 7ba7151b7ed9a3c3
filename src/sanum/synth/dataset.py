"""A data set of generated scans in the shape of BIDS, one after the other or on several processes.

A sample is a function of (seed, index) and of the source. Its JSON is written last: a sample with JSON is
complete, and an interrupted run continues with those that have none.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..files import parse_json, sha256_of
from ..scan.contrast import CT_WINDOW_HU
from ..scan.scan import Scan
from ..scan.write import atomic_path, write
from ..space.box import Box
from ..types import AnyArray
from .anatomy import Target
from .as_scanned import as_scanned
from .box import DEFAULT_BOX
from .contrast import Preset
from .corrupt import Level
from .generator import Sample, apply_sample, draw_sample
from .params import Draws, SampleParams, Skull
from .record import FORMAT, RecordError, SampleRecord, from_json, to_json
from .source import Source
from .workers import pool, submit

SUFFIX: dict[Preset, str] = {
    "t1w": "T1w",
    "t2w": "T2w",
    "flair": "FLAIR",
    "pd": "PDw",
    "dwi": "dwi",
    "ct": "ct",
    "free": "free",
}
_DERIVATIVES = Path("derivatives") / "sanum"
# what BIDS has no name for, or a name with other conditions
_IGNORED = "*_free.*\n*_ct.*\n*_dwi.*\n.cache/\nsettings.json\n"
_TARGETS: dict[Target, str] = {
    "real": "Healthy T1w inside the brain, measured, bias-corrected, white matter at 1",
    "rendered": "Healthy T1w inside the brain, painted from labels, white matter at 1",
}


@dataclass(frozen=True)
class GenerateSettings:
    """Settings that, with the source, determine the samples of a run.

    Parameters
    ----------
    seed : int
        Of the run.
    preset : Preset, optional
        Modality; default drawn.
    level : Level, optional
        Level of corruption; default drawn.
    box : Box
        Of the samples.
    draws : Draws
        As of `draw_sample`.
    healthy : float
        Share without an anomaly.
    in_turn : bool
        Subjects one after the other; else drawn.
    as_scanned : "on" or "off", optional
        Each subject in its own pose, the head whole or stripped; default: pose and skull are drawn.
    """

    seed: int
    preset: Preset | None = None
    level: Level | None = None
    box: Box = DEFAULT_BOX
    draws: Draws = "usual"
    healthy: float = 0.15
    in_turn: bool = False
    as_scanned: Skull | None = None


def generate(
    source: Source,
    folder: Path,
    settings: GenerateSettings,
    *,
    count: int,
    workers: int = 1,
    on_sample: Callable[[int, int], None] | None = None,
    on_prepare: Callable[[int, int], None] | None = None,
) -> int:
    """Number of samples made: those of 0 … count−1 that `folder` lacks.

    Parameters
    ----------
    source : Source
        Where anatomies and lesions come from.
    folder : Path
        Of the data set.
    settings : GenerateSettings
        What decides the samples.
    count : int
        Samples in all.
    workers : int
        Processes.
    on_sample, on_prepare : function, optional
        Called with how many of how many samples, or heads, are done.

    Raises
    ------
    ValueError
        Nothing to make samples from; `folder` holds a run of other settings.
    ScanError
        A file cannot be written; samples that were finished stay whole.
    """
    pairs, now = source.pairs(), _what_decides(source, settings)
    _require_same(folder, now)
    missing = [i for i in range(count) if not _finished(folder, i)]
    done = count - len(missing)
    needed = list({pairs[_choice(settings, i, len(pairs))]: None for i in missing})
    for n, pair in enumerate(needed):  # before the workers, of which two might prepare the same one
        source.anatomy(pair, settings.box.spacing_mm)
        if on_prepare:
            on_prepare(n + 1, len(needed))
    _describe(folder, source, now)  # only once the heads are known to be usable
    for _ in _each(source, folder, settings, missing, workers):
        done += 1
        if on_sample:
            on_sample(done, count)
    return len(missing)


def make_one(source: Source, folder: Path, settings: GenerateSettings, index: int) -> None:
    """Draw, make and write one sample.

    Parameters
    ----------
    source : Source
        Where anatomies and lesions come from.
    folder : Path
        Of the data set.
    settings : GenerateSettings
        What decides the samples.
    index : int
        Number of the sample.
    """
    pairs, bank = source.pairs(), source.bank()
    pair = pairs[_choice(settings, index, len(pairs))]
    anatomy = source.anatomy(pair, settings.box.spacing_mm)
    rng = np.random.default_rng([settings.seed, index])
    rng.integers(len(pairs))  # the anatomy's draw
    params = draw_sample(
        rng,
        anatomy,
        bank,
        preset=settings.preset,
        level=settings.level,
        healthy=settings.healthy,
        draws=settings.draws,
        spacing_mm=settings.box.spacing_mm,
    )
    if settings.as_scanned:
        params = as_scanned(params, anatomy, settings.as_scanned)
    shapes = tuple(replace(s, mask=s.mask and Path(s.mask).name) for s in params.shapes)
    masks = {Path(s.mask).name: _digest(Path(s.mask)) for s in params.shapes if s.mask}
    record = SampleRecord(
        settings.seed,
        index,
        source.name_of(pair),
        _digest(*pair),
        anatomy.target,
        anatomy.scheme,
        settings.box.shape,
        settings.box.spacing_mm,
        source.ignore_unknown,
        tuple(masks.items()),
        replace(params, shapes=shapes),
    )
    write_sample(folder, record, apply_sample(anatomy, params, box=record.box.grid()))


def remake(record: SampleRecord, source: Source) -> Sample:
    """Sample of a record, bit by bit as it was.

    Parameters
    ----------
    record : SampleRecord
        Of the sample.
    source : Source
        As it was when the sample was made.

    Raises
    ------
    RecordError
        The source lacks its anatomy or a lesion mask, or they are not what they were.
    """
    pair = {source.name_of(p): p for p in source.pairs()}.get(record.anatomy)
    if pair is None:
        raise RecordError(f"{source.root} has no {record.anatomy}, or no parcellation of it")
    if _digest(*pair) != record.sha256:
        raise RecordError(f"{record.anatomy} or its parcellation has changed since the sample was made")
    source = replace(source, ignore_unknown=record.ignore_unknown)
    anatomy = source.anatomy(pair, record.spacing_mm)
    return apply_sample(anatomy, _located(record, source.lesions), box=record.box.grid())


def replay(record_path: Path, source: Source, folder: Path) -> Path:
    """Make the sample of a JSON file again and write it into `folder`; returns its scan's path.

    Parameters
    ----------
    record_path : Path
        JSON file of a sample.
    source : Source
        As it was when the sample was made.
    folder : Path
        Of the new data set.
    """
    try:
        record = from_json(record_path.read_text())
    except UnicodeDecodeError:
        raise RecordError(f"{record_path.name} is not a record of sanum generate") from None
    if _finished(folder, record.index):
        raise RecordError(f"{folder} already holds {_subject(record.index)}: choose another folder")
    return write_sample(folder, record, remake(record, source))


def write_sample(folder: Path, record: SampleRecord, sample: Sample) -> Path:
    """Write scan, truth and, last, the JSON; returns the scan's path.

    Parameters
    ----------
    folder : Path
        Of the data set.
    record : SampleRecord
        Written last.
    sample : Sample
        Scan and truth.
    """
    name, preset = _subject(record.index), record.params.contrast.preset
    raw, truth = folder / name / "anat", folder / _DERIVATIVES / name / "anat"
    affine = record.box.grid().affine
    scan = raw / f"{name}_{SUFFIX[preset]}.nii.gz"
    t1w, lesion, brain = truth_files(folder, name)
    volumes: dict[Path, AnyArray] = {
        scan: sample.image[0] * np.float32(CT_WINDOW_HU[1] if preset == "ct" else 1),
        t1w: sample.t1w,
        truth / f"{name}_desc-anomaly_probseg.nii.gz": sample.p,
        lesion: sample.lesion.astype(np.uint8),
        brain: sample.brain.astype(np.uint8),
        truth / f"{name}_desc-{record.labels}_dseg.nii.gz": sample.labels,
    }
    for path, voxels in volumes.items():
        write(Scan(np.ascontiguousarray(voxels), affine), path, overwrite=True)
    sidecar = {"Description": _TARGETS[record.target], "target": record.target}
    _write_text(truth / f"{name}_desc-healthy_T1w.json", json.dumps(sidecar, indent=2) + "\n")
    _write_text(raw / f"{name}_{SUFFIX[preset]}.json", to_json(record))
    return scan


def truth_files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Paths of the healthy T1w, the lesion and the brain mask of a sample.

    Parameters
    ----------
    folder : Path
        Of the data set.
    name : str
        Of the sample, as sub-000007.
    """
    stem = folder / _DERIVATIVES / name / "anat" / name
    ends = ("desc-healthy_T1w", "desc-anomaly_mask", "desc-brain_mask")
    return tuple(stem.with_name(f"{name}_{end}.nii.gz") for end in ends)  # type: ignore[return-value]


def _each(
    source: Source, folder: Path, settings: GenerateSettings, indices: list[int], workers: int
) -> Iterator[None]:
    if workers <= 1:
        for i in indices:
            make_one(source, folder, settings, i)
            yield
        return
    with pool(workers) as processes:
        jobs = [submit(processes, make_one, source, folder, settings, i) for i in indices]
        try:
            for job in as_completed(jobs):
                job.result()
                yield
        except BrokenProcessPool as error:
            raise ValueError(
                "a worker process was ended from outside, perhaps for want of memory: take fewer --workers; "
                "started again, the run goes on"
            ) from error
        except BaseException:
            processes.shutdown(wait=True, cancel_futures=True)
            raise


def _what_decides(source: Source, settings: GenerateSettings) -> dict[str, Any]:
    decisions = asdict(settings)
    del decisions["box"]
    first = {name: decisions.pop(name) for name in ("seed", "preset", "level")}
    return {
        "sanum_generate": FORMAT,
        **first,
        "shape": list(settings.box.shape),
        "spacing_mm": settings.box.spacing_mm,
        **decisions,
        "heads": _digest(*(file for pair in source.pairs() for file in pair)),
        "lesions": _digest(*source.bank()),
        "ignore_unknown": source.ignore_unknown,
    }


def _require_same(folder: Path, now: dict[str, Any]) -> None:
    """See that a run of other settings, or from another source, is not continued."""
    path = folder / "settings.json"
    if not path.exists():
        return
    try:
        before = dict(parse_json(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): remove it, or choose another folder") from None
    changed = [k for k in now if before.get(k) != now[k]]
    if changed:
        differences = [f"other {k}" if k in ("heads", "lesions") else f"{k} {before.get(k)}" for k in changed]
        raise ValueError(f"{folder} holds a run with {', '.join(differences)}: choose another folder")


def _describe(folder: Path, source: Source, now: dict[str, Any]) -> None:
    """Write what belongs to the whole data set."""
    if (folder / "settings.json").exists():
        return
    description = {
        "Name": "Scans generated by sanum",
        "BIDSVersion": "1.9.0",
        "GeneratedBy": [{"Name": "sanum generate"}],
        "SourceDatasets": [{"URL": source.root.resolve().as_uri()}],
    }
    for root, kind in ((folder, "raw"), (folder / _DERIVATIVES, "derivative")):
        text = json.dumps({**description, "DatasetType": kind}, indent=2) + "\n"
        _write_text(root / "dataset_description.json", text)
    _write_text(folder / ".bidsignore", _IGNORED)
    _write_text(folder / "settings.json", json.dumps(now, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path, overwrite=True) as partial:
        partial.write_text(text)


def _finished(folder: Path, index: int) -> bool:
    return any((folder / _subject(index) / "anat").glob(f"{_subject(index)}_*.json"))


def _subject(index: int) -> str:
    return f"sub-{index:06d}"


def _choice(settings: GenerateSettings, index: int, count: int) -> int:
    if settings.in_turn:
        return index % count
    return int(np.random.default_rng([settings.seed, index]).integers(count))


def _digest(*files: Path | None) -> str:
    """SHA-256 of files one after the other."""
    return sha256_of(files)


def _located(record: SampleRecord, lesions: Path | None) -> SampleParams:
    shapes, digests = [], dict(record.masks)
    for shape in record.params.shapes:
        if shape.mask is not None:
            if lesions is None or not (lesions / shape.mask).exists():
                raise RecordError(
                    f"the sample needs the lesion mask {shape.mask}: pass its folder as --lesions"
                )
            if _digest(lesions / shape.mask) != digests.get(shape.mask):
                raise RecordError(f"the lesion mask {shape.mask} has changed since the sample was made")
            shape = replace(shape, mask=str(lesions / shape.mask))
        shapes.append(shape)
    return replace(record.params, shapes=tuple(shapes))
