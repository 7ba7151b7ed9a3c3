"""`sanum audit`: how far anomaly scores react to scanner, sex or age instead of disease."""

from pathlib import Path
from typing import Annotated

import typer

from . import options as shared
from .messages import complain, harmless
from .progress import waiting

EXAMPLE = "Example:  sanum audit scores.tsv --participants participants.tsv --by sex,site,age -o audited"
THE_TABLE, THE_RULE = "The table", "The rule"


Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="Table of scores (TSV or CSV), anybody's.")]
By = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Attributes, as in sex,site,age; numbers are cut into thirds, or where it says: age:40,60.",
        rich_help_panel=THE_TABLE,
    ),
]
Participants = Annotated[
    Path | None,
    typer.Option(
        help="participants.tsv; without it the table of scores has the attributes.",
        rich_help_panel=THE_TABLE,
    ),
]
Score = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The score; default: score, or anomaly_ml.", rich_help_panel=THE_TABLE
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="0 normal, 1 abnormal, in either table; default: label; without it all are normal.",
        rich_help_panel=THE_TABLE,
    ),
]
Subject = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Whose score it is; default: participant_id, subject, or sub-… in the path.",
        rich_help_panel=THE_TABLE,
    ),
]
Alpha = Annotated[
    float, typer.Option(help="Share of normals that may be called abnormal.", rich_help_panel=THE_RULE)
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Whose normals give the threshold, as in site=HH; default: all.",
        rich_help_panel=THE_RULE,
    ),
]
Adjust = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Measured too with these regressed out, as in age.",
        rich_help_panel=THE_RULE,
    ),
]
Match = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Measured too of normals who have a partner in each other group with the same of these, or "
        "numbers so near: age:3; default: 0.2 standard deviations.",
        rich_help_panel=THE_RULE,
    ),
]
Least = Annotated[
    int,
    typer.Option(
        metavar="N", help="Normals of a group to conclude anything.", min=2, rich_help_panel=THE_RULE
    ),
]
Seed = Annotated[int, typer.Option(help="Of everything random.", min=0, rich_help_panel=THE_RULE)]


def command(
    results: Results,
    output: shared.Output,
    by: By,
    participants: Participants = None,
    score: Score = None,
    label: Label = None,
    subject: Subject = None,
    alpha: Alpha = 0.05,
    reference: Reference = None,
    adjust: Adjust = None,
    match: Match = None,
    least: Least = 20,
    seed: Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Measure whether anomaly scores of healthy people depend on who they are.

    For each group: false alarms at a threshold of healthy people (split
    conformal prediction), areas under ROC, the shift of scores, and what a
    threshold of its own would do; beside it a negative control. Writes
    audit.html, audit.md, audit.tsv and audit.json.

    Exit code: 0 done, whatever was found; 2 wrong use.
    """
    with waiting("starting", quiet=quiet):
        from ..data.attributes import parse_by
        from ..evaluation.audit import AuditSettings, audit, read_scores, write_audit

    try:
        asked = parse_by(by)
        settings = AuditSettings(
            alpha=alpha,
            least=least,
            reference=_pair(reference),
            adjust=_names(adjust),
            match=_alike(match),
            seed=seed,
        )
        table = read_scores(results, participants, score=score, label=label, subject=subject)
        with waiting("measuring", quiet=quiet):
            found = audit(table, asked, settings)
            paths = write_audit(found, output)
    except (ValueError, OSError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    for note in found.notes:
        complain(note)
    for one in found.attributes:
        typer.echo(harmless(f"{one.name}\t{one.kind}\t{one.finding}\t{one.gap_finding}"))
    typer.echo(harmless(str(paths[-1])))


def _names(words: str | None) -> tuple[str, ...]:
    from ..data.attributes import parse_by

    asked = parse_by(words) if words else []
    if cut := [one.name for one in asked if one.cuts]:
        raise ValueError(f"--adjust takes names alone, as in age,sex: {cut[0]} is regressed out as it stands")
    return tuple(one.name for one in asked)


def _alike(words: str | None) -> tuple[tuple[str, float | None], ...]:
    from ..data.attributes import parse_by

    asked = parse_by(words) if words else []
    if wrong := [one.name for one in asked if len(one.cuts) > 1]:
        raise ValueError(f"--match takes one difference that is allowed, as in {wrong[0]}:3")
    return tuple((one.name, one.cuts[0] if one.cuts else None) for one in asked)


def _pair(words: str | None) -> tuple[str, str] | None:
    if words is None:
        return None
    name, sign, value = words.partition("=")
    if not (sign and name.strip() and value.strip()):
        raise ValueError(f'--reference is an attribute and a value, as in site=HH, got "{words}"')
    return name.strip().lower(), value.strip()
