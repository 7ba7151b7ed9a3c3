"""What is measured: pairs of scans on one grid, of a BIDS data set or a table."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ....data.pairs import LandmarkUse, PairFiles, find_pairs, read_pair
from ....files import sha256_of
from ....scan import Scan, ScanError
from ....scan.names import bare_name, printable
from .finders import Finder


@dataclass(frozen=True)
class Measuring:
    """How pairs are read and measured; part of every case, so that another choice is measured anew.

    Parameters
    ----------
    source, target : str
        From which contrast to which.
    source_given, target_given : str
        What the user calls the scans, in place of what their files say; empty: as these say.
    finder : Finder or None
        Whose findings are compared; None: no Dice.
    data_range : float or None
        Peak of PSNR and SSIM, in the target's unit; None: of each truth its own, of a CT 2000 HU.
    seed : int
        Of the noise, for methods that draw.
    use : LandmarkUse
        How landmarks are used.
    """

    source: str
    target: str
    source_given: str = ""
    target_given: str = ""
    finder: Finder | None = None
    data_range: float | None = None
    seed: int = 1
    use: LandmarkUse = field(default_factory=LandmarkUse)

    @property
    def shown(self) -> str:
        """Contrasts, and what is looked for: numbers of different kinds are not averaged."""
        words = [f"{self.source} to {self.target}"]
        words += [self.finder.name] if self.finder else []
        words += [f"range {self.data_range:g}"] if self.data_range else []
        return ", ".join(words)

    @property
    def identity(self) -> str:
        """Everything that the numbers depend on beside scans and models."""
        found = self.finder.identity if self.finder else ""
        return repr(
            (self.shown, self.source_given, self.target_given, found, self.data_range, self.seed, self.use)
        )


@dataclass(frozen=True)
class PairCase:
    """One pair.

    Parameters
    ----------
    data : str
        Name of the data set or the table.
    files : PairFiles
        Both scans.
    how : Measuring
        The same of all cases of a run.
    """

    data: str
    files: PairFiles
    how: Measuring

    @property
    def name(self) -> str:
        """Of the pair, such that a file can be called by it."""
        return bare_name(self.files.name.replace("/", "-"))

    @property
    def subject(self) -> str:
        """Whose scans they are."""
        return self.files.group

    @property
    def contrast(self) -> str:
        """Contrasts and what is looked for."""
        return self.how.shown

    def digest(self) -> str:
        """Start of the SHA-256 of its files and of how it is measured."""
        return sha256_of(self.scans(), self.how.identity.encode())[:12]

    def scans(self) -> list[Path]:
        """All files of the pair, those of a DICOM series one by one, and its landmarks."""
        given = [path for path in (self.files.source, self.files.target) if path is not None]
        return [part for path in (*given, *(self.files.landmarks or ())) for part in _parts(path)]

    def read(self) -> tuple[Scan, Scan]:
        """Source and truth, on one grid.

        Raises
        ------
        ScanError
            One of them cannot be read, or is of another contrast; they are on different grids.
        """
        how = self.how
        pair = read_pair(self.files, how.source_given, how.target_given, how.use)
        assert pair.source is not None
        assert pair.target is not None
        for scan, expected, option in (
            (pair.source, how.source, "source"),
            (pair.target, how.target, "target"),
        ):
            if scan.contrast not in (None, "unknown", expected):
                name = printable(scan.path.name) if scan.path else self.name
                raise ScanError(
                    f"{name} is {scan.contrast}, and the models translate {how.source} to {how.target}: "
                    f"choose models for {scan.contrast}, or name the contrast with --{option} if it is wrong"
                )
        return pair.source, pair.target


def find_pair_cases(given: Path, how: Measuring) -> tuple[list[PairCase], int]:
    """Pairs of a data set or table, and how many scans have no partner; nothing is opened but a table.

    Parameters
    ----------
    given : Path
        As of `data.pairs.find_pairs`.
    how : Measuring
        How they are read and measured.

    Raises
    ------
    ScanError
        As of `find_pairs`; there is no pair; two have one name.
    """
    files = find_pairs(given, how.source_given or how.source, how.target_given or how.target)
    whole = [one for one in files if one.source is not None and one.target is not None]
    if not whole:
        raise ScanError(
            f"{printable(given.name)} has no pair: a translation is compared with the scan that it should "
            "be, on the source's grid"
        )
    data = bare_name(given.resolve().stem if given.is_file() else given.resolve().name)
    cases = [PairCase(data, one, how) for one in whole]
    name, times = Counter(case.name for case in cases).most_common(1)[0]
    if times > 1:
        raise ScanError(
            f"{times} pairs of {printable(given.name)} are called {printable(name)}: give each a name of its "
            "own, in the table's column name, and a group, which says whose scans they are"
        )
    return cases, len(files) - len(whole)


def _parts(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
