"""One run as a whole: what became of its items, and the files that say so (`run.json`, the tables)."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..methods.common.saving import record_name
from ..scan.names import printable
from . import failures
from .inputs import Item
from .job import Resources, Tables
from .machine import peak_memory
from .outcome import ItemOutcome, State
from .privacy import without_folders
from .tables import update_tables, write_summary

_MODEL = ("weights", "weights_sha256", "device")


class RunSummary:
    """The items of a run and what became of them so far.

    Parameters
    ----------
    items : list of Item
        What is to be done.
    part : (int, int)
        Which part of how many this run is.
    output : Path
        The output folder.
    tables : mapping
        Of the job; see `cohort.job.Tables`.
    resources : Resources, optional
        Of the job in this process; none where workers load it.
    single : bool
        One item was given by itself: it gets no tables.
    """

    def __init__(
        self,
        items: list[Item],
        part: tuple[int, int],
        output: Path,
        tables: Tables,
        *,
        resources: Resources | None = None,
        single: bool = False,
    ) -> None:
        self.items, self.part, self.output, self.tables = items, part, output, tables
        self.resources, self.single = resources, single
        self.began, self.outcomes = time.monotonic(), list[ItemOutcome]()

    def add(self, outcome: ItemOutcome) -> None:
        """Take note of what became of an item.

        Parameters
        ----------
        outcome : ItemOutcome
            Of the item that ended.
        """
        self.outcomes.append(outcome)

    @property
    def states(self) -> Counter[State]:
        """How many items are done, finished, busy and failed."""
        return Counter(outcome.state for outcome in self.outcomes)

    def lose(self) -> list[ItemOutcome]:
        """Outcomes of items whose results were there and are gone, as failures from now on.

        So a run in which somebody removed the output folder does not end as if all were well.
        """
        lost = []
        for n, outcome in enumerate(self.outcomes):
            if outcome.state not in ("done", "finished") or self._is_there(outcome.item):
                continue
            reason = (
                f"the results of {printable(outcome.item.path.name)} were removed from "
                f"{printable(self.output)} during the run: run it again"
            )
            self.outcomes[n] = replace(outcome, state="failed", record={}, reason=reason)
            lost.append(self.outcomes[n])
        if lost and not self.single:  # the notes of failures went with them
            for outcome in self.outcomes:
                if outcome.state == "failed":
                    with suppress(OSError):
                        failures.remember(outcome.item, outcome.reason, self.output)
        return lost

    def _is_there(self, item: Item) -> bool:
        folder, name = self.output / item.place, record_name(item.stem)
        if (folder / name).is_file():
            return True
        with suppress(OSError):
            return name in os.listdir(folder)  # which a network's file system asks for anew
        return False

    def write(self) -> None:
        """Write `run.json` and, of several items, the tables; `ScanError` if they cannot be written.

        Nothing of a single item that was not done, or of a run that was interrupted before anything was.
        """
        if self.single and not self.states["done"]:
            return
        if not self.outcomes and not self.output.is_dir():
            return
        number, parts = self.part
        name = "run.json" if parts == 1 else f"run-{number}of{parts}.json"
        write_summary(self.output, name, self.as_json())
        if not self.single or any((self.output / table).exists() for table in self.tables):
            update_tables(self.output, self.tables)

    def as_json(self) -> dict[str, Any]:
        """Contents of `run.json`."""
        place = {item: n for n, item in enumerate(self.items)}
        workers = self._workers()
        described: Sequence[Mapping[str, Any]] = workers
        if not workers and self.resources:
            described = [self.resources.description]
        summary: dict[str, Any] = {
            "version": __version__,
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            **{key: _one_or_all(worker.get(key) for worker in described) for key in _MODEL},
            "seconds": round(time.monotonic() - self.began, 1),
            "peak_memory_mb": max([0, *(worker["peak_memory_mb"] for worker in workers)])
            or round(peak_memory() / 1e6),
            "memory": {
                "network": _one_or_all(worker.get("network") for worker in described),
                "steps": list(dict.fromkeys(step for outcome in self.outcomes for step in outcome.memory)),
            },
        }
        if workers:
            summary["workers"] = workers
        ordered = sorted(self.outcomes, key=lambda outcome: place[outcome.item])
        return summary | {"scans": [_entry(outcome, self.tables, self.output) for outcome in ordered]}

    def _workers(self) -> list[dict[str, Any]]:
        """What each worker process said last, in the order in which they came."""
        by_process = {
            (worker["host"], worker["process"]): dict(worker)
            for worker in (outcome.worker for outcome in self.outcomes)
            if worker
        }
        return list(by_process.values())


def _one_or_all(values: Iterable[Any]) -> Any:
    """The value if all are the same, else all different ones in one text."""
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else ", ".join(str(value) for value in different)


def _entry(outcome: ItemOutcome, tables: Tables, output: Path) -> dict[str, Any]:
    """What `run.json` says of an item."""
    record = outcome.record
    return {
        "input": outcome.item.shown,
        "state": outcome.state,
        "error": without_folders(outcome.reason, outcome.item.path, output) or None,
        "seconds": round(outcome.seconds, 1),
        "memory": list(outcome.memory),
        "outputs": {name: str(outcome.item.place / file) for name, file in record.get("outputs", {}).items()},
        "warnings": record.get("warnings", []),
        **{column: record[column] for columns in tables.values() for column in columns if column in record},
    }
