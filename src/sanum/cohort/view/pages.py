"""The pages of `sanum view`: the list, one result with its report and verdict, and one at full resolution."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ...report.page import render_page
from ..verdicts import WORDS, Verdict
from .results import IMAGE, REPORT, ViewedResult

_ITSELF = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'"
_STYLES = ("templates/tables.css", "templates/view.css")
POLICIES = {
    "list": _ITSELF,
    "result": f"{_ITSELF}; frame-src 'self'",
    "full": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; worker-src blob:; "
    "connect-src 'self' blob: data:; img-src 'self' blob: data:; base-uri 'none'",
}
"""What a browser may load and run in each page."""

OVERLAYS = {"desc-anomaly_probseg": "red", "desc-uncertainty_map": "blue", "desc-anomaly_mask": "actc"}
"""Images that are laid over the anatomy, and the colours that NiiVue has for them."""


def list_page(
    root: str,
    folder: str,
    found: Mapping[str, ViewedResult],
    verdicts: Mapping[str, Verdict],
    error: str = "",
) -> str:
    """A complete HTML document: all results and what was said of them.

    Parameters
    ----------
    root : str
        Address of the list.
    folder : str
        Of the results.
    found : mapping of ViewedResult
        By name.
    verdicts : mapping of Verdict
        By name.
    error : str
        Why there are none; "": nothing went wrong.
    """
    said = [verdicts.get(name, Verdict()) for name in found]
    return render_page(
        "view_list.html",
        folder,
        "sanum view",
        styles=_STYLES,
        policy=POLICIES["list"],
        root=root,
        rows=[(one, link(root, one.name), word) for one, word in zip(found.values(), said, strict=True)],
        done=sum(bool(one.word) for one in said),
        error=error,
    )


def result_page(
    root: str,
    one: ViewedResult,
    around: tuple[str | None, str | None],
    verdict: Verdict,
    files: str,
    error: str = "",
) -> str:
    """A complete HTML document: the report of one result, and what is said of it.

    Parameters
    ----------
    root : str
        Address of the list.
    one : ViewedResult
        The result.
    around : (str or None, str or None)
        Names of those before and after it.
    verdict : Verdict
        Of the result.
    files : str
        Address of its files.
    error : str
        Why a verdict was not saved; "": nothing went wrong.
    """
    before, after = (None if name is None else link(root, name) for name in around)
    return render_page(
        "view_result.html",
        one.name,
        "sanum view",
        styles=_STYLES,
        policy=POLICIES["result"],
        one=one,
        report=f"{files}/{quoted(one.name.split('/')[-1] + REPORT)}" if one.report else "",
        before=before,
        after=after,
        root=root,
        here=link(root, one.name),
        verdict=verdict,
        words=WORDS[1:],
        error=error,
    )


def images_of(one: ViewedResult, files: str, *, with_scan: bool) -> list[dict[str, str]]:
    """What NiiVue is told of each image: address, name, colours; those in grey first.

    Parameters
    ----------
    one : ViewedResult
        The result.
    files : str
        Address of its files.
    with_scan : bool
        Whether the scan can be shown too.
    """
    scan = [(one.scan_file, f"scan: {one.scan}")] if with_scan else []
    found = []
    for file, name in (*scan, *((file, file) for file in one.images)):
        kind = next((key for key in OVERLAYS if file.endswith(key + IMAGE)), "")
        found.append({"url": f"{files}/{quoted(file)}", "name": name, "colormap": OVERLAYS.get(kind, "gray")})
    return sorted(found, key=lambda image: image["colormap"] != "gray")


def full_page(
    root: str, one: ViewedResult, images: Sequence[Mapping[str, str]], scripts: Sequence[str]
) -> str:
    """A complete HTML document: the images of one result in NiiVue.

    Parameters
    ----------
    root : str
        Address of the list.
    one : ViewedResult
        The result.
    images : sequence of mappings
        Of `images_of`.
    scripts : sequence of str
        Addresses of NiiVue and of the script that hands it the images.
    """
    return render_page(
        "view_full.html",
        one.name,
        "sanum view",
        styles=_STYLES,
        policy=POLICIES["full"],
        images=list(images),
        scripts_at=list(scripts),
        root=root,
        here=link(root, one.name),
    )


def link(root: str, name: str) -> str:
    """Address of a result's page.

    Parameters
    ----------
    root : str
        Address of the list.
    name : str
        Of the result.
    """
    return f"{root}/result/{quoted(name)}"


def quoted(name: str) -> str:
    """A name as one part of an address; bytes of a file's name that are not UTF-8 stay what they are.

    Parameters
    ----------
    name : str
        Of a result or a file.
    """
    return quote(name, safe="", errors="surrogateescape")
