"""`sanum view`: what is handed out, what is refused, and what is saved."""

import gzip
import hashlib
import http.client
import os
import re
import socket
import sys
import threading
from html import unescape
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode, urlsplit

import pytest
from markupsafe import escape

from sanum.cohort.tables import write_tables
from sanum.cohort.verdicts import Verdict, read_verdicts
from sanum.cohort.view.results import ViewedResult, results_below
from sanum.cohort.view.server import ResultsServer, open_below
from sanum.healthy.job import TABLES
from sanum.report import page as report_page

NAME, HOSTILE = "sub-1/anat/sub-1_acq-T1w", "<script>alert(1)</script>"


@pytest.fixture
def served(tmp_path):
    """Serve two results; a secret lies outside of the folder, and links lead to it."""
    output, secret = tmp_path / "out", tmp_path / "secret"
    (output / "sub-1" / "anat").mkdir(parents=True)
    for name in (NAME, HOSTILE.replace("/", "-")):
        (output / f"{name}_report.html").write_text("<p>the report</p>")
        (output / f"{name}_desc-anatomy_T1w.nii.gz").write_bytes(gzip.compress(b"voxels"))
    secret.mkdir()
    for name in ("x_report.html", "x_record.json", "y_desc-anatomy_T1w.nii.gz"):
        (secret / name).write_text("secret")
    (output / "linked").symlink_to(secret)
    (output / "link_report.html").symlink_to(secret / "x_report.html")
    (output / f"{NAME}_desc-linked_T1w.nii.gz").symlink_to(secret / "y_desc-anatomy_T1w.nii.gz")
    (output / ".sanum").mkdir()
    (output / ".sanum" / "hidden_report.html").write_text("secret")
    with ResultsServer(output) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, *, method="GET", host=None, form=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    body = None if form is None else urlencode(form)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", server.hosts[0] if host is None else host)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(None if body is None else body.encode())
    answer = connection.getresponse()
    found = answer.status, answer.read().decode("utf-8", "replace"), dict(answer.getheaders())
    connection.close()
    return found


def result_at(server, name=NAME, kind="result"):
    return f"{server.pages}/{kind}/{quote(name, safe='')}"


def test_the_list_the_page_and_the_files_of_a_result(served):
    status, html, headers = ask(served, urlsplit(served.address).path)
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert html.count('href="') == 2
    assert "&lt;script&gt;alert(1)&lt;-script&gt;" in html
    assert "<script" not in html
    assert result_at(served) in html
    status, html, _ = ask(served, result_at(served))
    assert status == 200
    (report,) = re.findall(r'<iframe[^>]* src="([^"]+)"', html)
    status, text, headers = ask(served, report)
    assert (status, text) == (200, "<p>the report</p>")
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")
    image = report.rsplit("/", 1)[0] + "/sub-1_acq-T1w_desc-anatomy_T1w.nii.gz"
    assert ask(served, image)[2]["Content-Length"] == str(len(gzip.compress(b"voxels")))
    assert ask(served, image, method="HEAD")[1] == ""
    assert served.pages not in report  # a report's own script does not learn where verdicts are saved
    assert headers["Referrer-Policy"] == "strict-origin"
    assert re.search(r'<iframe[^>]* referrerpolicy="no-referrer"', html)
    assert len(re.findall('target="_blank" rel="noopener noreferrer"', html)) == html.count("_blank") == 1


def test_without_the_token_there_is_nothing(served):
    for path in ("/", "/result/x", f"/{'a' * 24}/", served.pages, served.handed_out, f"{served.handed_out}/"):
        assert ask(served, path)[0] == 404


UP = ("../secret/x", "..%2Fsecret%2Fx", "%2e%2e/secret/x", "..\\secret\\x", "/etc/passwd")


@pytest.mark.parametrize("way", [*UP, "linked/x", "link", ".sanum/hidden", "\0"])
def test_no_address_leads_out(served, way):
    for path in (
        f"{served.pages}/result/{quote(way, safe='%')}",
        f"{served.handed_out}/{quote(way, safe='%')}/x_report.html",
        f"{served.handed_out}/{quote(NAME, safe='')}/{quote(way, safe='')}",
        f"{served.handed_out}/{quote(NAME, safe='')}/sub-1_acq-T1w_desc-linked_T1w.nii.gz",
        f"{served.pages}/script/{quote(way, safe='%')}",
    ):
        status, body, _ = ask(served, path)
        assert status == 404
        assert "secret" not in body


def test_a_folder_that_becomes_a_link_leads_nowhere(served, tmp_path):
    status, html, _ = ask(served, result_at(served))
    assert status == 200
    (report,) = re.findall(r'<iframe[^>]* src="([^"]+)"', html)
    one = served.output / "sub-1" / "anat"
    one.rename(tmp_path / "moved")
    one.symlink_to(tmp_path / "moved")
    with pytest.raises(OSError):
        open_below(served.output, PurePosixPath(f"{NAME}_report.html"))
    assert ask(served, report)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "", "[::1]:80"])
def test_another_host_is_refused(served, host):
    """A name of somebody else's that leads to this machine (DNS rebinding)."""
    assert ask(served, result_at(served), host=host)[0] == 403
    assert ask(served, result_at(served), method="POST", host=host, form={"verdict": "pass"})[0] == 403
    assert not (served.output / "qc.tsv").exists()


def test_a_verdict_is_saved_shown_and_kept_when_tables_are_made_anew(served):
    note = 'tab\t, "quote" and =1+1 <b>'
    for verdict in ("unsure", "fail"):
        form = {"verdict": verdict, "note": note}
        status, _, headers = ask(served, result_at(served), method="POST", form=form)
        assert (status, headers["Location"]) == (303, result_at(served))
    table = served.output / "qc.tsv"
    assert read_verdicts(table) == {NAME: Verdict("fail", note)}
    write_tables(served.output, TABLES)  # as every run does
    assert read_verdicts(table) == {NAME: Verdict("fail", note)}
    head, row = table.read_text().splitlines()
    assert head.split("\t")[-3:] == ["report", "verdict", "note"]
    assert row.split("\t")[1] == NAME
    html = ask(served, result_at(served))[1]
    assert 'value="fail" checked' in html
    assert "&lt;b&gt;" in html
    assert "a verdict on 1" in ask(served, f"{served.pages}/")[1]


def test_what_is_no_verdict_is_not_saved(served):
    def say(form, **how):
        return ask(served, result_at(served), method="POST", form=form, **how)[0]

    assert say({"verdict": "superb"}) == 409
    assert say({"verdict": "pass", "note": "x" * 2001}) == 409
    assert say({"verdict": "pass", "note": "x" * 30_000}) == 413
    assert say({"verdict": "pass"}, Origin="http://evil.example") == 403
    assert say({"verdict": "pass"}, Origin="null") == 403
    assert ask(served, result_at(served, "other"), method="POST", form={"verdict": "pass"})[0] == 404
    assert ask(served, f"{served.pages}/", method="POST", form={"verdict": "pass"})[0] == 404
    assert ask(served, result_at(served), method="DELETE")[0] == 501
    assert not (served.output / "qc.tsv").exists()
    (served.output / "qc.tsv").write_text("something else\n")
    assert say({"verdict": "pass"}) == 409
    assert (served.output / "qc.tsv").read_text() == "something else\n"
    assert say({"verdict": "pass"}, Origin=f"http://{served.hosts[0]}") == 409


def test_only_this_machine_can_reach_it(served):
    assert served.server_address[0] == "127.0.0.1"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", served.server_port), timeout=2):
        pass


def test_niivue_is_the_one_that_was_looked_at(served):
    folder = Path(report_page.__file__).parent / "niivue"
    unpacked = gzip.decompress((folder / "niivue.js.gz").read_bytes())
    assert hashlib.sha256(unpacked).hexdigest() in (folder / "README.md").read_text()
    status, _, headers = ask(served, f"{served.pages}/script/niivue.js")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    html = ask(served, result_at(served, kind="full"))[1]
    assert "sub-1_acq-T1w_desc-anatomy_T1w.nii.gz" in html
    assert "linked" not in html


def test_the_scan_is_shown_where_it_is_as_it_was(tmp_path):
    scans, output = tmp_path / "scans", tmp_path / "out"
    (scans / "sub-1").mkdir(parents=True)
    output.mkdir()
    (scans / "sub-1" / "a.nii.gz").write_bytes(b"voxels")
    (scans / "sub-1" / "b.nii").symlink_to(scans / "sub-1" / "a.nii.gz")
    (tmp_path / "c.nii").write_bytes(b"voxels")

    def seen(path, size=6):
        one = ViewedResult("a", False, (), {"input": {"path": path, "size": size}})
        stream = server.open_scan(one)
        if stream is None:
            return None
        with stream:
            return stream.read()

    outside = ("../c.nii", str(tmp_path / "c.nii"))
    with ResultsServer(output, scans=scans) as server:
        assert seen("sub-1/a.nii.gz") == b"voxels"
        assert seen("sub-1/a.nii.gz", 7) is None  # changed since
        for other in (*outside, "sub-1/b.nii", "sub-1/missing.nii", "sub-1", "\0.nii", 3):
            assert seen(other) is None
    with ResultsServer(output) as server:
        assert seen("sub-1/a.nii.gz") is None


def test_each_image_is_of_one_result(tmp_path):
    """The longest name of a result that it begins with: p1 and p1_followup lie in one folder."""
    (tmp_path / "p1_report.html").touch()
    for name in ("p1_followup", "p1_followup_2", "p10"):
        (tmp_path / f"{name}_record.json").touch()
    for name in ("p1", "p1_other", "p1_followup", "p1_followup_2", "p10", "p1_followup_2_x", "none", "p"):
        (tmp_path / f"{name}_T1w.nii.gz").touch()
    (tmp_path / "p1_followup.nii.gz").touch()
    found = {one.name: one.images for one in results_below(tmp_path).values()}
    assert found == {
        "p1": ("p1_T1w.nii.gz", "p1_followup.nii.gz", "p1_other_T1w.nii.gz"),
        "p10": ("p10_T1w.nii.gz",),
        "p1_followup": ("p1_followup_T1w.nii.gz",),
        "p1_followup_2": ("p1_followup_2_T1w.nii.gz", "p1_followup_2_x_T1w.nii.gz"),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes such names")
def test_a_name_that_is_not_utf_8_is_listed_shown_and_judged(served):
    stem = b"sub-\xff_T1w"
    for end, content in ((b"_report.html", b"of it"), (b"_x_T1w.nii.gz", b"voxels")):
        Path(os.fsdecode(os.fsencode(served.output) + b"/" + stem + end)).write_bytes(content)
    html = ask(served, f"{served.pages}/")[1]
    assert r"sub-\udcff_T1w</a>" in html
    (page,) = re.findall(r'href="([^"]+sub-%FF_T1w)"', html)
    status, html, _ = ask(served, page)
    assert status == 200
    (report,) = re.findall(r'<iframe[^>]* src="([^"]+)"', html)
    assert ask(served, report)[:2] == (200, "of it")
    assert "sub-%FF_T1w_x_T1w.nii.gz" in ask(served, page.replace("/result/", "/full/"))[1]
    assert ask(served, report.rsplit("/", 1)[0] + "/sub-%FF_T1w_x_T1w.nii.gz")[:2] == (200, "voxels")
    assert ask(served, page, method="POST", form={"verdict": "pass"})[0] == 303
    assert read_verdicts(served.output / "qc.tsv") == {os.fsdecode(stem): Verdict("pass")}
    assert ask(served, f"{served.pages}/result/%ff%fe%00")[0] == 404


@pytest.mark.parametrize(("error", "said"), [(BrokenPipeError, 0), (ConnectionResetError, 0), (KeyError, 1)])
def test_a_browser_that_goes_away_is_no_error_and_names_do_not_get_into_the_log(
    served, monkeypatch, capfd, caplog, error, said
):
    def fail(*_, **__):
        raise error("sub-1 is his name")

    for how in ({}, {"method": "POST", "form": {"verdict": "none"}}):
        with monkeypatch.context() as patch:
            patch.setattr("sanum.cohort.view.server.result_page", fail)
            with pytest.raises((http.client.HTTPException, OSError)):
                ask(served, result_at(served), **how)
    assert [record.getMessage() for record in caplog.records] == ["a request failed: KeyError"] * 2 * said
    assert capfd.readouterr().err == ""
    assert ask(served, result_at(served))[0] == 200


NOTE = 'wide\u3000and\u00a0narrow, \N{FAMILY}\u200d\N{BOY} \\x "<b>'


def test_the_field_has_the_note_as_it_was_written(served):
    assert ask(served, result_at(served), method="POST", form={"verdict": "pass", "note": NOTE})[0] == 303
    page = ask(served, result_at(served))[1]
    (value,) = re.findall('name="note"[^>]* value="([^"]*)"', page)
    assert unescape(value) == NOTE
    assert f"<bdi>{escape(NOTE)}</bdi>" in ask(served, f"{served.pages}/")[1]


def test_what_was_typed_stays_when_it_cannot_be_saved(served):
    note = NOTE + "x" * 2000
    status, page, _ = ask(served, result_at(served), method="POST", form={"verdict": "fail", "note": note})
    assert status == 409
    assert "at most 2,000 characters" in page
    assert f'value="{escape(note)}"' in page
    assert 'value="fail" checked' in page


def test_the_list_says_why_verdicts_are_not_shown(served):
    assert 'role="alert"' not in ask(served, f"{served.pages}/")[1]
    (served.output / "qc.tsv").write_text("something else\n")
    why = "Verdicts in qc.tsv are not shown: qc.tsv is no table of results: move it away."
    page = ask(served, f"{served.pages}/")[1]
    assert why in page
    assert "a verdict on" not in page
    (served.output / "qc.tsv").unlink()
    (served.output / "qc.tsv").mkdir()
    page = ask(served, f"{served.pages}/")[1]
    assert re.search(r'role="alert">Verdicts in qc.tsv are not shown: [a-z ]+\.<', page)
