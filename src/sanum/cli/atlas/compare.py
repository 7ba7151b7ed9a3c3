"""`sanum atlas compare`: how unusual each voxel of a scan is, and how large its parts are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import options as shared
from ..batch import do_each
from ..messages import complain, harmless
from ..progress import waiting
from ..threads import use_threads

if TYPE_CHECKING:
    from ...cohort import Item

EXAMPLE = "Example:  sanum atlas compare sub-1_T1w.nii.gz -o compared --age 63 --sex F"


def command(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN...", help="Files, DICOM, folders (searched), or lists.")
    ],
    output: shared.Output,
    atlas: Annotated[
        Path, typer.Option(metavar="FOLDER|adults", help="Of sanum atlas build, or the one that ships.")
    ] = Path("adults"),
    age: Annotated[float | None, typer.Option(metavar="YEARS", min=0, max=130)] = None,
    sex: Annotated[str, typer.Option(metavar="F|M")] = "",
    participants: Annotated[
        Path | None, typer.Option(metavar="TSV", help="Age and sex of many, by participant_id.")
    ] = None,
    itself: Annotated[
        bool,
        typer.Option(
            "--itself", help="Lay the scan itself onto the atlas: no brain, or nothing that could pull it."
        ),
    ] = False,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "auto",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Compare SCAN... with a group: a z-map, the volume of each label with its percentile, and a page.

    The healthy anatomy behind the scan is laid onto the atlas, so that a
    lesion pulls nothing; then the scan itself is compared. Both are shown.

    Exit code: 0 all done, 1 some of several scans failed, 2 wrong use, or a
    single scan failed.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import NothingToDo, PlainResources, expand, names_one
        from ...healthy.comparison import CompareJob
        from ...healthy.memory import PredictorResources
        from ...healthy.network import network
        from ...learn.devices import resolve_device
        from ...methods.atlas.population.predict import atlas_sha256, open_atlas
        from ...scan import ScanError

    use_threads(threads)
    try:
        items = expand(scans, output, b"")
        people = _people(participants, age, sex)
        group, sha256 = open_atlas(str(atlas)), atlas_sha256(str(atlas))
        predictor = None if itself else network(device=resolve_device(device))
        resources: Any = PlainResources() if predictor is None else PredictorResources(predictor)
        job = CompareJob(group, sha256, predictor, people, resources)
    except NothingToDo as nothing:
        complain(str(nothing))
        return
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    do_each(
        job,
        items,
        output,
        _line,
        single=names_one(scans, items),
        noun="scans",
        overwrite=overwrite,
        shown=(quiet, verbose),
    )


def _people(participants: Path | None, age: float | None, sex: str) -> Mapping[str, Mapping[str, str]]:
    from ...cohort.bids.participants import read_participants, require_agreement

    if sex and sex.upper()[:1] not in ("F", "M"):
        raise ValueError(f'--sex is F or M, got "{sex}"')
    told = {"age": "" if age is None else f"{age:g}", "sex": sex.upper()[:1]}
    people: dict[str, Mapping[str, str]] = {"": told} if any(told.values()) else {}
    if participants is not None and people:
        raise ValueError("--age and --sex are of one scan, and --participants of many: give one of them")
    if participants is not None:
        if not participants.is_file():
            raise ValueError(f"{participants} is not there: name a table with a line for each subject")
        require_agreement(participants, ("age", "sex"))
        rows, notes = read_participants(participants, ())
        for note in notes:
            complain(f"note: {note}")
        people.update(rows)
    return people


def _line(item: "Item", record: dict[str, Any]) -> str:
    share = f"{record['beyond_share']:.2%} beyond |z| 4"
    return harmless("\t".join((item.shown, share, f"{record['unusual_labels']:.0f} labels unusual")))
