"""Whether what sanum needs to run, with all its extras, may be used by an Apache-2.0 program.

`python .ci/licences.py` prints nothing, or a line for each package whose licence is not on the list; exit
code 1 then. Packages that are not installed are not looked at.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ALLOWED = re.compile(
    r"MIT|MIT-0|MIT-CMU|X11|ISC|ISCL|0BSD|BSD|Zlib|CC0-1\.0|PSF-2\.0|Python-2\.0|BSL-1\.0|HPND|Unlicense|MPL-2\.0"
    r"|BSD-[23]-Clause|Apache-2\.0|LicenseRef-IsmrmrdSoftwareLicense"
)
"""SPDX names. MPL-2.0 asks for changes to its own files only, which we do not make; ISMRMRD's is MIT's text
and forbids to advertise with its authors' names."""

NOT_OURS = re.compile(r"(nvidia|cuda)-.+")
"""CUDA's libraries: proprietary, free of charge, brought by PyTorch where it is built for NVIDIA GPUs."""

IN_WORDS = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "isc license (iscl)": "ISC",
    "bsd license": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
"""What packages write that do not use SPDX names."""


def needed(name: str, extras: tuple[str, ...]) -> dict[str, Distribution]:
    """Installed packages that `name` needs, itself left out."""
    found: dict[str, Distribution] = {}
    waiting, seen = [(name, extra) for extra in ("", *extras)], set()
    while waiting:
        package, extra = waiting.pop()
        key = re.sub(r"[-_.]+", "-", package).lower()
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        try:
            found[key] = distribution(package)
        except PackageNotFoundError:
            continue
        for text in found[key].requires or ():
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                waiting += [(one.name, more) for more in ("", *one.extras)]
    del found[name]
    return found


def licence(package: Distribution) -> str:
    """SPDX expression, as well as the package tells it."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return expression
    classes = [c.split(" :: ")[-1] for c in told.get_all("Classifier", []) if c.startswith("License ::")]
    classes = [c for c in classes if c not in ("OSI Approved", "DFSG approved")]
    words = classes or [(told.get("License") or "none given").splitlines()[0]]
    if words == ["UNKNOWN"]:  # an older setuptools wrote that where nothing was said
        words = [first_line(package)]
    return " AND ".join(IN_WORDS.get(word.lower(), word) for word in words)


def first_line(package: Distribution) -> str:
    """First line of the licence's text."""
    texts = [file.read_text() for file in package.files or () if file.name.startswith("LICENSE")]
    return texts[0].strip().splitlines()[0] if texts else "none given"


def fits(expression: str) -> bool:
    """Whether every AND has an OR that is allowed; exceptions after WITH only permit more."""
    plain = re.sub(r" WITH \S+|[()]", "", expression)
    return all(
        any(ALLOWED.fullmatch(one.strip()) for one in part.split(" OR ")) for part in plain.split(" AND ")
    )


def main() -> None:
    """Check the environment that this runs in."""
    packages = needed("sanum", ("all",))
    odd = {
        name: text
        for name, one in packages.items()
        if not NOT_OURS.fullmatch(name) and not fits(text := licence(one))
    }
    for name, text in sorted(odd.items()):
        print(f"{name}: {text}")
    sys.exit(bool(odd))


if __name__ == "__main__":
    main()
