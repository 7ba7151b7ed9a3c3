"""A toy job: how often each letter stands in a text file; it has nothing to do with heads."""

import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sanum.cohort import PlainResources, job_of
from sanum.methods.api import Output, OutputSpec
from sanum.methods.common.saving import save_result
from sanum.scan import ScanError

OUTPUTS = {"letters": OutputSpec("letters", "How often each letter is there", None, "letters", ".txt")}
TABLES = {"letters.tsv": {"share_of_e": 3, "language": None, "letters": None}}


@dataclass(frozen=True)
class Letters:
    """What the toy gives: one text and one number."""

    name: str
    text: str
    share_of_e: float
    warnings: tuple[str, ...]

    @property
    def provenance(self):
        return {"language": "English"}

    @property
    def outputs(self):
        return {"letters": Output(OUTPUTS["letters"], self.text)}

    @property
    def numbers(self):
        return {"share_of_e": self.share_of_e}

    def save(self, folder, *, overwrite=False):
        return save_result(self, folder, overwrite=overwrite)


def letters_of(item):
    """`Letters` of the file of an item."""
    text = item.path.read_text(encoding="utf-8")
    if not text:
        raise ScanError(f"{item.path.name} is empty: expected a text")
    count = Counter(text)
    lines = "".join(f"{letter}\t{n}\n" for letter, n in sorted(count.items()))
    warnings = ("no e",) * ("e" not in count)
    return Letters(item.stem, lines, count["e"] / len(text), warnings)


def toy_job(**settings):
    return job_of(letters_of, OUTPUTS, name="letters", past="counted", settings=settings, tables=TABLES)


def load(notes: Path, seconds: float = 0.0):
    """In a worker: the toy job; each loading and each item at the same time leaves a note."""
    (notes / f"loaded-{os.getpid()}-{threading.get_ident()}").touch()
    together = []

    def noted(item):
        import time

        together.append(item)
        (notes / f"together-{len(together)}").touch()
        time.sleep(seconds)
        together.remove(item)
        return letters_of(item)

    resources = PlainResources(need=lambda _: 1)
    return job_of(noted, OUTPUTS, name="letters", past="counted", tables=TABLES, resources=resources)
