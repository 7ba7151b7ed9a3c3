"""From the last sums to an atlas: spread, labels, tissues, and what is told of it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .... import __version__
from ....files import read_small
from ....scan import read
from ....synth.labels import DLMUSE, Scheme, scheme_in_table, scheme_of
from ....synth.schemes import GROUPS
from .atlas import Atlas
from .config import AtlasConfig
from .members import Member
from .sums import Sums
from .template import Template

MOST_SHARES = 16
"""With more labels only the most frequent one of each voxel is kept, and tissues."""

MOST = 0.5
"""Share of subjects that must have a label where the atlas may be compared; and that must see it at all."""


_TRACTS = frozenset(range(89, 96))  # of DLMUSE: fornix, internal capsule, corpus callosum
_SULCI = frozenset((1, 46))  # of DLMUSE: fluid around the brain
_CEREBELLAR_WHITE = GROUPS.index("cerebellar white matter")


def finished(
    members: Sequence[Member],
    config: AtlasConfig,
    template: Template,
    sums: Sums,
    codes: tuple[int, ...],
    told: Mapping[str, Any],
) -> Atlas:
    """The atlas.

    Parameters
    ----------
    members : sequence of Member
        Of the group.
    config : AtlasConfig
        How it was made.
    template : Template
        The last one.
    sums : Sums
        Of the last round, with the labels.
    codes : tuple of int
        Labels, in the order of `sums.counts`.
    told : mapping
        What else `about` holds: rounds, and `to_reference`.
    """
    shares, grid = sums.shares, template.grid
    names, parts = dict[int, str](), dict[str, frozenset[int]]()
    labels, tissues = None, None
    region = template.region & (template.image > 0.1 * float(template.image.max()))
    seen = sums.seen(MOST)
    if shares is not None and members[0].labels is not None:
        names = names_of(members[0].labels, codes)
        region = (shares.sum(0) >= MOST) & seen
        labels = np.where(region, np.asarray(codes)[shares.argmax(0)], 0).astype(np.int32)
        parts = tissues_of(_scheme(members[0].labels, codes), codes)
        if parts:
            rows = [np.isin(codes, list(part)) for part in parts.values()]
            tissues = np.stack([shares[row].sum(0) for row in rows], -1)
    about = {
        "sanum": __version__,
        "subjects": [m.subject for m in members],
        "settings": asdict(config),
        "tissues": list(parts),
        **told,
    }
    kept = None if shares is None or len(codes) > MOST_SHARES else np.moveaxis(shares, 0, -1)
    return Atlas(
        grid,
        template.image,
        np.where(seen, sums.spread, 0),
        region & seen,
        read(members[0].path).contrast,
        labels,
        kept,
        tissues,
        np.where(region & seen, sums.growth_sd, 0),
        names,
        about=about,
    )


def names_of(parcellation: Path, codes: Sequence[int]) -> dict[int, str]:
    """Names of labels, by a BIDS table (dseg.tsv) beside or above; "label 5" of what is not in it.

    Parameters
    ----------
    parcellation : Path
        A label map.
    codes : sequence of int
        Its labels.
    """
    told: dict[str, str] = {}
    for folder in list(parcellation.parents)[:4]:
        tables = sorted(folder.glob("*dseg.tsv"))
        if tables:
            lines = read_small(tables[0], 4_000_000).decode("utf-8", "replace").splitlines()
            rows = csv.DictReader(lines, delimiter="\t")
            told = {(r.get("index") or "").strip(): (r.get("name") or "").strip() for r in rows}
            break
    return {code: told.get(str(code)) or f"label {code}" for code in codes}


def tissues_of(scheme: Scheme | None, codes: Sequence[int]) -> dict[str, frozenset[int]]:
    """Labels of grey matter, white matter and fluid in a known numbering; else nothing.

    Parameters
    ----------
    scheme : Scheme or None
        The numbering.
    codes : sequence of int
        Labels that there are.
    """
    if scheme is None or not set(codes) & scheme.white or not set(codes) & scheme.cortex:
        return {}
    nuclei = [frozenset(group) for group in scheme.groups]
    tracts, fluid = (_TRACTS, _SULCI) if scheme.name == DLMUSE.name else (frozenset[int](), frozenset((24,)))
    deep = frozenset[int]().union(*(group for n, group in enumerate(nuclei) if n != _CEREBELLAR_WHITE))
    return {
        "grey matter": scheme.cortex | deep | (scheme.other - tracts - fluid),
        "white matter": scheme.white | nuclei[_CEREBELLAR_WHITE] | tracts,
        "fluid": scheme.fluid | fluid,
    }


def _scheme(parcellation: Path, codes: Sequence[int]) -> Scheme | None:
    try:
        return scheme_in_table(parcellation) or scheme_of(np.asarray(codes, np.int32))
    except ValueError:
        return None
