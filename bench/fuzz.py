"""Damage small valid scans and see that `sanum.scan.read` gives a `Scan` or one sentence.

`python bench/fuzz.py --inputs 10000` takes about two minutes on one core. Every input has a number, which
makes it again: `--from N --inputs 1`. The reading is done by a process of its own, so that a crash or a hang
of a native library is noticed, counted, and followed by the next input.
"""

import argparse
import gzip
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path
from traceback import walk_tb

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from fuzz_dicom import dicom_seeds
from fuzz_headers import FOLDER, HERE, LABELS, LINK, PIPE, SECRET, Files, made_up
from fuzz_tags import with_other_value
from sanum.scan import Scan, ScanError, read

SECONDS = 10
"""A small file that takes longer hangs: CPU time, or ten times as much by the clock."""

SPARE_BYTES = 48 << 20
"""What one reading may need whatever the file's size: buffers, threads, code loaded on first use."""

COPIES = 8
"""How often the voxels that a file can hold may be in memory at once: raw, scaled in float64, float32, …"""

DEFLATED = 1032
"""Deflate shrinks at most this many times."""

READING = ("read_voxels", "read_pixels", "_values", "_read_to_checksum", "usable_scan")
"""Functions that read or judge voxels: what is refused in them had got past the checks of its header."""

PLAIN = ("plain", "explicit", "implicit")
"""Inputs that hold no more voxels than bytes."""

SKIPPING = ("implicit.dcm", "bare.dcm", "rle.dcm", "JPEG.dcm", "JPEG2000.dcm")
"""Inputs whose damaged files are left out, so that the others are read."""

PACKED = (b"\x1f\x8b", b"x\x9c", b"BZh", b"DICM", b"PK\3\4")
"""One of these is in whatever may hold more voxels than bytes."""

_NUMBERS = (-1, 0, 1, 2, 7, 255, 1500, 32767, 65535, 2**31 - 1, -(2**31), 10**12)
_WORDS = (b"-1", b"0", b"1", b"32767", b"99999999999999999999", b"1e308", b"nan", b"-inf", b"%d%s%n", b"LIST")
_WORDS += (b"gzip", b"bzip2", b"ascii", b"hex", b"True", b"/dev/zero", b"../scan.raw", b"double", b"\xff\x00")


def seeds() -> dict[str, Files]:
    """Valid inputs by name; each is a folder of files, of which `scan…` is read."""
    voxels = np.random.default_rng(0).integers(0, 900, (6, 7, 8)).astype(np.int16)
    found: dict[str, Files] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def keep(label: str) -> None:
            files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
            found[label] = files
            for name in files:
                (folder / name).unlink()

        for kind, ending in (
            (nib.Nifti1Image, ".nii"),
            (nib.Nifti1Image, ".nii.gz"),
            (nib.Nifti2Image, ".nii"),
            (nib.MGHImage, ".mgh"),
            (nib.MGHImage, ".mgz"),
        ):
            image = kind(voxels, np.diag([1.0, 2, 3, 1]))
            if kind is nib.Nifti1Image:
                image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made for the fuzzer"))
            nib.save(image, folder / f"scan{ending}")
            keep(("packed" if ending in (".nii.gz", ".mgz") else "plain") + f"-{kind.__name__}{ending}")
        nib.save(nib.Nifti1Image(np.stack([voxels] * 2, -1), np.eye(4)), folder / "scan.nii.gz")
        keep("series.nii.gz")
        for ending in (".nrrd", ".nhdr", ".mha", ".mhd"):
            for packed in (False, True):
                sitk.WriteImage(sitk.GetImageFromArray(voxels.T), str(folder / f"scan{ending}"), packed)
                keep(f"{'packed' if packed else 'plain'}{ending}")
        for label in dicom_seeds(folder, voxels):
            keep(label)
    return found


def damaged(number: int, valid: dict[str, Files]) -> tuple[str, Files]:
    """Input `number`: one of `valid`, damaged in one to four ways, or one with a header that is made up."""
    rng = np.random.default_rng([number, 6])
    label = [*sorted(valid), *LABELS][number % (len(valid) + len(LABELS))]
    if label in LABELS:
        return label, made_up(rng, label)
    files = dict(valid[label])
    for _ in range(rng.integers(1, 5)):
        name = sorted(files)[rng.integers(len(files))]
        raw = files[name]
        assert isinstance(raw, bytes)
        if label.endswith(".dcm") and rng.random() < 0.8 and (changed := with_other_value(rng, raw)):
            files[name] = changed
            continue
        packed = raw[:2] == b"\x1f\x8b"
        if packed and rng.random() < 0.7:
            try:
                files[name] = gzip.compress(_once(rng, gzip.decompress(raw)), mtime=0)
            except (OSError, EOFError, zlib.error):  # what was damaged before cannot be opened
                files[name] = _once(rng, raw)
        else:
            files[name] = _once(rng, raw)
    return label, files


def _once(rng: np.random.Generator, raw: bytes) -> bytes:
    """Damage bytes once."""
    text = re.match(rb"(NRRD|ObjectType)", raw) is not None
    ways = [_bits, _number, _truncate, _cut_out, _swap, _grow]
    return ways[rng.integers(len(ways))](rng, raw) if not text or rng.random() < 0.3 else _line(rng, raw)


def _place(rng: np.random.Generator, raw: bytes) -> int:
    """A position; every second time in the first 400 bytes, where headers are."""
    end = min(len(raw), 400) if rng.random() < 0.5 else len(raw)
    return int(rng.integers(max(end, 1)))


def _bits(rng: np.random.Generator, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(min(len(raw), rng.integers(1, 9))):
        changed[_place(rng, raw)] ^= 1 << rng.integers(8)
    return bytes(changed)


def _number(rng: np.random.Generator, raw: bytes) -> bytes:
    """Write an extreme number over 2, 4 or 8 bytes, integer or floating-point, of either byte order."""
    order = "<>"[rng.integers(2)]
    kind = "hiqfd"[rng.integers(5)]
    value = _NUMBERS[rng.integers(len(_NUMBERS))]
    if kind in "fd":
        packed = struct.pack(order + kind, (np.nan, np.inf, -1e30, 1e30, float(value))[rng.integers(5)])
    else:
        width = struct.calcsize(kind) * 8
        packed = struct.pack(order + kind.upper(), value % 2**width)
    at = _place(rng, raw) // 2 * 2
    return raw[:at] + packed + raw[at + len(packed) :]


def _truncate(rng: np.random.Generator, raw: bytes) -> bytes:
    return raw[: _place(rng, raw)]


def _cut_out(rng: np.random.Generator, raw: bytes) -> bytes:
    at = _place(rng, raw)
    return raw[:at] + raw[at + rng.integers(1, 65) :]


def _swap(rng: np.random.Generator, raw: bytes) -> bytes:
    """Exchange two pieces of 1 to 16 bytes."""
    changed, width = bytearray(raw), int(rng.integers(1, 17))
    a, b = _place(rng, raw), _place(rng, raw)
    changed[a : a + width], changed[b : b + width] = raw[b : b + width], raw[a : a + width]
    return bytes(changed)


def _grow(rng: np.random.Generator, raw: bytes) -> bytes:
    """Put in zeros (a bomb, once it is packed), noise, or a piece of itself."""
    at, other = _place(rng, raw), _place(rng, raw)
    more = (bytes(int(rng.integers(1, 1 << 22))), rng.bytes(64), raw[other : other + 64])[rng.integers(3)]
    return raw[:at] + more + raw[at:]


def _line(rng: np.random.Generator, raw: bytes) -> bytes:
    """Damage one line of a text header: a word replaced, the line doubled, dropped or moved."""
    lines = raw.split(b"\n")
    at = int(rng.integers(min(len(lines), 14)))
    match rng.integers(4):
        case 0:
            lines.insert(int(rng.integers(len(lines))), lines[at])
        case 1:
            del lines[at]
        case _:
            words = lines[at].split(b" ")
            words[rng.integers(len(words))] = b" ".join(
                _WORDS[k] for k in rng.integers(len(_WORDS), size=rng.integers(1, 4))
            )
            lines[at] = b" ".join(words)
    return b"\n".join(lines)


def outcome(label: str, files: Files) -> str:
    """What `read` does with an input: "read", "reached", "refused", or "FAILED …" and why.

    "reached": refused, but only while its voxels were read.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "own"
        folder.mkdir()
        for name, content in files.items():
            _make(folder, folder / name, content)
        path = next(p for p in sorted(folder.iterdir()) if ".raw" not in p.suffixes)
        limit = SPARE_BYTES + COPIES * sum(map(len, files.values())) * (
            1 if label.startswith(PLAIN) or not _may_be_packed(files) else DEFLATED
        )
        resource.setrlimit(resource.RLIMIT_AS, (_memory_in_use() + limit, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(10 * SECONDS)
        try:
            volume = 1 if "series" in label else 0 if label in LABELS else None
            scan = read(path, volume=volume, skip_damaged=label in SKIPPING)
            return "FAILED it read a file outside of its folder" if _is_secret(scan) else "read"
        except ScanError as error:
            sentence, *listed = str(error).split("\n")  # a folder of several series is followed by their list
            if not "".join([sentence, *listed]).isprintable() or sentence.endswith("."):
                return f"FAILED its message is not one sentence: {error!r}"
            if _lacks_memory(error):
                return f"FAILED needs too much memory: {error.__cause__!r}"
            return "reached" if _reached(error) else "refused"
        except Exception as error:  # noqa: BLE001
            return f"FAILED {type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _make(folder: Path, path: Path, content: bytes | str) -> None:
    """One file of an input, or what stands in its place."""
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content.replace(HERE, bytes(folder)))
    elif content == PIPE:
        os.mkfifo(path)
    elif content == FOLDER:
        path.mkdir()
    else:
        path.symlink_to(content.removeprefix(LINK))


def _may_be_packed(files: Files) -> bool:
    return any(mark in raw for raw in files.values() if isinstance(raw, bytes) for mark in PACKED)


def _is_secret(scan: Scan | None) -> bool:
    """Whether most voxels are those of the file that must not be read."""
    if scan is None:
        return False
    kind = scan.voxels.dtype
    return bool((scan.voxels == np.frombuffer(bytes([SECRET]) * kind.itemsize, kind)).mean() > 0.5)


def _reached(error: BaseException) -> bool:
    """Whether an error came from the reading of voxels."""
    frames = [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]
    return any(name in READING for name in frames) or (
        error.__cause__ is not None and _reached(error.__cause__)
    )


def _memory_in_use() -> int:
    """Virtual memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _lacks_memory(error: BaseException) -> bool:
    """Whether the reader met the limit, and called the file broken for that."""
    cause = error.__cause__ or error.__context__
    if cause is None:
        return False
    return (
        isinstance(cause, MemoryError)
        or re.search("bad_alloc|allocate memory", str(cause)) is not None
        or _lacks_memory(cause)
    )


def read_them(first: int, inputs: int) -> None:
    """The reading process: a line on stdout before and after each input."""
    warnings.simplefilter("error")
    valid = seeds()
    drawn = [(n, made_up(np.random.default_rng(k), n, changes=0)) for n in LABELS[:4] for k in range(8)]
    for label, files in [*valid.items(), *drawn]:  # also loads all code, before memory counts
        if (result := outcome(label, files)) != "read":
            sys.exit(f"{label} is valid, and yet: {result}")
    for number in range(first, first + inputs):
        label, files = damaged(number, valid)
        print(f"{number} {label}", end=" ", flush=True)
        print(" ".join(outcome(label, files).split()), flush=True)


def watch(first: int, inputs: int) -> tuple[Counter[str], list[str]]:
    """Let processes read `inputs` inputs; how often each outcome came, and a line for each failure."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    end = first + inputs
    words = [sys.executable, __file__, "--worker"]
    while first < end:
        ran = subprocess.run(
            [*words, "--from", str(first), "--inputs", str(end - first)],
            env={**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
            capture_output=True,
            text=True,
        )
        lines = ran.stdout.splitlines()
        if ran.returncode and (not lines or len(lines[-1].split()) != 2):
            raise RuntimeError(f"the reading process could not begin: {ran.stderr}")
        if ran.returncode:
            lines[-1] += f"FAILED {signal.Signals(-ran.returncode).name}"
        elif ran.stderr:
            lines.append(f"? ? FAILED stderr: {ran.stderr}")
        for line in lines:
            _, label, result = line.split(maxsplit=2)
            counts[f"{label} {result.split()[0]}"] += 1
            if result.startswith("FAILED"):
                failures.append(line)
        first = int(lines[-1].split()[0]) + 1 if ran.returncode else end
    return counts, failures


def main() -> None:
    """Counts by format on stdout, failures on stderr; exit code 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first input")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        read_them(given.first, given.inputs)
        return
    began = time.monotonic()
    counts, failures = watch(given.first, given.inputs)
    labels = sorted({key.split()[0] for key in counts})
    print(f"{'input':24}{'read':>8}{'reached':>9}{'refused':>9}{'failed':>8}{'accepted':>10}")
    for label in labels:
        row = [counts[f"{label} {result}"] for result in ("read", "reached", "refused", "FAILED")]
        share = f"{(row[0] + row[1]) / sum(row):.0%}"
        print(f"{label:24}{row[0]:8}{row[1]:9}{row[2]:9}{row[3]:8}{share:>10}")
    print(f"{counts.total()} inputs, {len(failures)} failures, {time.monotonic() - began:.0f} s")
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
