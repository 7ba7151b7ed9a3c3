"""Jobs of an atlas as files, by which processes of other machines do them. Nothing is unpickled."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from os.path import abspath
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....files import whole_file
from ....space.grid import Grid
from .atlas import Atlas
from .config import AtlasConfig
from .jobs import DeformJob, PlaceJob, PrepareJob
from .measure import MeasureJob
from .members import Member
from .subject_files import SubjectFiles
from .template import Template

SubjectJob = PrepareJob | PlaceJob | DeformJob | MeasureJob
_Arrays = dict[str, Any]
_TOLD = "told"
_TEMPLATE = ("image", "region", "shares", "seen")
_ATLAS = ("template", "spread", "region", "labels")


def write_job(job: SubjectJob, folder: Path) -> Path:
    """Write what a job needs beside the subjects' files; its path, which names the content.

    Parameters
    ----------
    job : PrepareJob, PlaceJob, DeformJob or MeasureJob
        Any.
    folder : Path
        Made if missing.
    """
    told: dict[str, Any] = {
        "job": job.name,
        "config": asdict(job.config),
        "members": [_told(member) for member in job.members.values()],
    }
    arrays: _Arrays = {}
    if not isinstance(job, PrepareJob):
        told["work"] = [abspath(job.work.folder), abspath(job.work.shared)]
    if isinstance(job, PlaceJob | DeformJob):
        arrays |= _parts("template", job.template, _TEMPLATE, job.template.grid)
        arrays |= {f"start {stem}": np.asarray(start) for stem, start in (job.starts or {}).items()}
        told["starts"] = job.starts is not None
    if isinstance(job, DeformJob):
        arrays |= {f"world {stem}": world for stem, world in job.worlds.items()}
        told["codes"] = list(job.codes)
    if isinstance(job, MeasureJob):
        arrays |= _parts("atlas", job.atlas, _ATLAS, job.atlas.grid)
        told["names"] = {str(code): name for code, name in job.atlas.names.items()}
    arrays[_TOLD] = np.array(json.dumps(told))
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    content = stream.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"job-{hashlib.sha256(content).hexdigest()[:16]}.npz"
    with whole_file(path) as partial:
        Path(partial).write_bytes(content)
    return path


def read_job(path: Path, resources: Any) -> SubjectJob:
    """A job of `write_job`.

    Parameters
    ----------
    path : Path
        The file.
    resources : object
        As of `cohort.job.Job`.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays: _Arrays = {name: file[name] for name in file.files}
    told = json.loads(str(arrays[_TOLD]))
    members, config = _members(told["members"]), AtlasConfig(**told["config"])
    if told["job"] == PrepareJob.name:
        return PrepareJob(members, config, resources)
    work = SubjectFiles(*map(Path, told["work"]))
    if told["job"] == MeasureJob.name:
        names = {int(code): name for code, name in told["names"].items()}
        atlas = Atlas(_grid("atlas", arrays), **_read("atlas", _ATLAS, arrays), names=names)
        return MeasureJob(members, atlas, work, config, resources)
    template = Template(grid=_grid("template", arrays), **_read("template", _TEMPLATE, arrays))
    if told["job"] == PlaceJob.name:
        starts = _by_stem("start", arrays, np.asarray) if told["starts"] else None
        return PlaceJob(members, template, work, starts, config, resources)
    worlds, codes = _by_stem("world", arrays, np.asarray), tuple(told["codes"])
    velocities = _by_stem("start", arrays, torch.from_numpy) if told["starts"] else None
    return DeformJob(members, template, work, worlds, velocities, codes, config, resources)


def _told(member: Member) -> dict[str, Any]:
    labels = None if member.labels is None else abspath(member.labels)
    return {"path": abspath(member.path), "labels": labels, "columns": dict(member.columns)}


def _members(told: list[dict[str, Any]]) -> Mapping[Path, Member]:
    found = [Member(Path(m["path"]), m["labels"] and Path(m["labels"]), m["columns"]) for m in told]
    return {member.path: member for member in found}


def _parts(name: str, whole: object, fields: tuple[str, ...], grid: Grid) -> _Arrays:
    there = {field: getattr(whole, field) for field in fields}
    return {f"{name} grid": grid.affine} | {f"{name} {f}": x for f, x in there.items() if x is not None}


def _read(name: str, fields: tuple[str, ...], arrays: _Arrays) -> _Arrays:
    return {field: arrays.get(f"{name} {field}") for field in fields}


def _grid(name: str, arrays: _Arrays) -> Grid:
    return Grid(arrays[f"{name} region"].shape, arrays[f"{name} grid"])


def _by_stem(name: str, arrays: _Arrays, made: Callable[[Any], Any]) -> dict[str, Any]:
    return {key.removeprefix(f"{name} "): made(x) for key, x in arrays.items() if key.startswith(f"{name} ")}
