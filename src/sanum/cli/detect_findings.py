"""`sanum detect-findings`: findings of chest x-rays, as boxes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as shared
from .batch import show_each, terminated_as_interrupted
from .messages import complain, harmless, steady_stderr
from .progress import ItemProgress, waiting

if TYPE_CHECKING:
    from ..cohort import Item
    from ..data.xray_set import Xray, XraySet
    from ..methods.detection.adpd.predict import FindingDetector

    Truth = tuple[XraySet, dict[str, Xray]]

EXAMPLE = "Example:  sanum detect-findings images/ --weights runs/chest/adpd.safetensors -o found"


def command(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="X-rays (PNG, JPEG, TIFF, DICOM), or folders.")
    ],
    output: shared.Output,
    weights: Annotated[
        Path, typer.Option(metavar="FILE", help="That sanum train adpd, or a training of a baseline, wrote.")
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            help="COCO file with true boxes: the page shows them, and the boxes found are measured."
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(help="Boxes of one finding in an image, the most certain; 0: all. Default: 1.", min=0),
    ] = None,
    fuse: Annotated[
        float | None,
        typer.Option(help="IoU from which on boxes of one finding are fused; 1: never.", min=0.001, max=1),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html, one page about all images.")] = True,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    shard: shared.Shard = None,
    quiet: shared.Quiet = False,
) -> None:
    """Look for findings in IMAGES: findings.json (COCO), a page, and a picture with boxes of each.

    Started again, it does what is not finished; what failed is in
    failed.tsv. With --truth there is metrics.tsv, with intervals over
    patients.

    Exit code: 0 all done, 1 some of several images failed, 2 wrong use, or
    a single image failed.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import PlainResources, RunSettings, RunSummary, part_of, run, shard_of
        from ..methods.detection.adpd.job import FindJob

    from .detect.score import picture_items

    try:
        detector = _detector(weights, device, top=top, fuse=fuse)
        items = picture_items(images, output)
        true = _truth(truth, items, detector)
        part = part_of(shard, len(items), on_note=complain)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    resources = PlainResources()
    job = FindJob(detector, resources)
    chosen = shard_of(items, *part)
    summary = RunSummary(chosen, part, output, job.tables, resources=resources)
    with steady_stderr(), terminated_as_interrupted(), ItemProgress(len(chosen), quiet=quiet) as progress:
        try:
            show_each(run(chosen, output, job, RunSettings(overwrite=overwrite)), summary, progress, _line)
        finally:
            summary.write()
    failed = summary.states["failed"]
    with waiting("writing the files about all images", quiet=quiet):
        try:
            written = _write_all(detector, items, output, true, failed, report=report)
        except (ValueError, OSError) as error:
            complain(str(error))
            raise typer.Exit(2) from None
    for path in written if not quiet else ():
        complain(f"written: {path}")
    if failed:
        complain(f"{failed} of {len(chosen)} images failed: see {output / 'failed.tsv'}")
        raise typer.Exit(2 if len(items) == 1 else 1)


def _detector(weights: Path, device: str, *, top: int | None, fuse: float | None) -> "FindingDetector":
    from ..learn.devices import resolve_device
    from ..methods import registry

    made: FindingDetector = registry.load("adpd", device=resolve_device(device), weights=weights.absolute())
    given = {"top": top, "fuse": fuse}
    return made.use(**{name: value for name, value in given.items() if value is not None})


def _truth(path: Path | None, items: "list[Item]", detector: "FindingDetector") -> "Truth | None":
    """The truth and its image of every item; what is wrong with it is said before the images are searched."""
    from ..data.xrays import read_xrays
    from ..methods.detection.adpd.folder import in_truth

    if path is None:
        return None
    truth = read_xrays(path, regions=False)
    known = in_truth([item.shown for item in items], truth, detector.findings)
    if len(known) < len(items):
        complain(f"{len(items) - len(known)} of {len(items)} images are not in the truth")
    return truth, known


def _write_all(
    detector: "FindingDetector",
    items: "list[Item]",
    output: Path,
    true: "Truth | None",
    failed: int,
    *,
    report: bool,
) -> list[Path]:
    """Files about every image that has a record, whichever run or shard made it.

    They are written before ValueError says that nothing can be measured.
    """
    from ..cohort.record import DamagedRecord, read_record
    from ..files import whole_file
    from ..methods.common.saving import record_name
    from ..methods.detection.adpd.folder import coco_of, left_out_words, measured, table_of
    from ..methods.detection.adpd.page import FoundImage, findings_page

    truth, known = true or (None, {})
    found = []
    for item in items:
        folder = output / item.place
        try:
            record = read_record(folder / record_name(item.stem), ("boxes",))
        except DamagedRecord:
            continue
        if not record or record.get("boxes") is None:
            continue
        files = {name: folder / file for name, file in record["outputs"].items()}
        plain = json.loads(files["boxes"].read_text(encoding="utf-8"))
        plain["file_name"] = item.shown
        boxes = known[item.shown].boxes if item.shown in known else []
        drawn = [(truth.findings[kind], box) for kind, box in boxes] if truth else []
        found.append(FoundImage(item.shown, plain, files["picture"].read_bytes() if report else b"", drawn))
    if not found:
        return []
    plain_all = [one.found for one in found]
    texts = {"findings.json": json.dumps(coco_of(plain_all, detector, truth, known), indent=1) + "\n"}
    rows, wrong = [], None
    try:
        rows = measured(plain_all, detector, truth, known) if truth else []
    except ValueError as error:
        wrong = error
    if rows:
        texts["metrics.tsv"] = table_of(rows)
        if left := left_out_words(rows):
            complain(left)
    if report:
        texts["report.html"] = findings_page(detector, found, failed, rows)
    for name, text in texts.items():
        with whole_file(output / name) as partial:
            partial.write_text(text, encoding="utf-8")
    if wrong:
        raise wrong
    return [output / name for name in texts]


def _line(item: "Item", record: dict[str, Any]) -> str:
    scores = {k.removeprefix("score_"): v for k, v in record.items() if k.startswith("score_") and v}
    told = ", ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in scores.items()) or "nothing found"
    return harmless(f"{item.shown}\t{told}")
