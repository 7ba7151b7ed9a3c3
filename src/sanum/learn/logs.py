"""What a run leaves to be read: `log.csv`, one more for each phase that a training has, and TensorBoard's.

A checkpoint remembers how long the files were; a resumed run cuts them there, so no step is logged twice.
"""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..files import whole_file


class Logs:
    """Logs in `folder`, cut to `marks` first: bytes by file name, as `marks()` gave them.

    Close it.

    Parameters
    ----------
    folder : Path
        Of the run.
    marks : mapping of int
        Bytes that each file had at the checkpoint, by name; files without a mark are removed.
    """

    def __init__(self, folder: Path, marks: Mapping[str, int]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        for path in self._files():
            size = marks.get(path.relative_to(folder).as_posix())
            if size is None:
                path.unlink()
            elif path.stat().st_size > size:
                os.truncate(path, size)
        self._tables: dict[str, TextIO] = {}
        self._board = SummaryWriter(str(folder / "tensorboard"))

    def _files(self) -> list[Path]:
        return [*self.folder.glob("log*.csv"), *self.folder.glob("tensorboard/events*")]

    def row(self, step: int, values: Mapping[str, float], phase: str = "") -> None:
        """Log the values of a step; nine digits give every float32 back.

        Parameters
        ----------
        step : int
            Counted from 1.
        values : mapping of float
            By name of the column, the same in each step of a phase.
        phase : str
            Of the training, if it has several: its table is `log-PHASE.csv`.
        """
        name = f"log-{phase}.csv" if phase else "log.csv"
        if name not in self._tables:
            self._tables[name] = (self.folder / name).open("a", newline="")
        table = self._tables[name]
        writer = csv.writer(table)
        if table.tell() == 0:
            writer.writerow(["step", *values])
        writer.writerow([step, *(f"{v:.9g}" for v in values.values())])
        table.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def sheet(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Keep a picture (height, width, 3).

        Parameters
        ----------
        step : int
            Counted from 1.
        picture : (height, width, 3) uint8
            RGB.
        """
        path = self.folder / "sheets" / f"step-{step:07d}.png"
        with whole_file(path) as partial:
            Image.fromarray(picture).save(partial, format="PNG")
        self._board.add_image("sheet", picture, step, dataformats="HWC")

    def marks(self) -> dict[str, int]:
        """How long the files are now."""
        self._board.flush()
        return {p.relative_to(self.folder).as_posix(): p.stat().st_size for p in self._files()}

    def close(self) -> None:
        """Write what is left."""
        for table in self._tables.values():
            table.close()
        self._board.close()
