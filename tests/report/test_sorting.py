"""A click on the head of a column sorts the table; run in Node, on what the script touches."""

import json
import shutil
import subprocess

import pytest

from sanum.report.page import SORT_SCRIPT, script_of

PAGE = """
class Node_ {
  constructor(text, cells = []) {
    Object.assign(this, {textContent: text, cells, childNodes: [], attributes: {}, listeners: {}});
  }
  append(...nodes) { this.childNodes.push(...nodes); }
  setAttribute(name, value) { this.attributes[name] = value; }
  getAttribute(name) { return this.attributes[name]; }
  addEventListener(name, what) { this.listeners[name] = what; }
}
const heads = HEADS.map(text => new Node_(text));
const body = {
  rows: ROWS.map(row => new Node_("", row.map(text => new Node_(text)))),
  append(...rows) { this.rows = rows; },
};
const table = {tHead: {rows: [{cells: heads}]}, tBodies: [body]};
const document = {querySelectorAll: () => [table], createElement: () => new Node_("")};
"""

CLICKS = """
const shown = CLICKED.map(column => {
  heads[column].childNodes.at(-1).listeners.click();
  return [body.rows.map(row => row.cells[0].textContent), heads.map(head => head.attributes["aria-sort"])];
});
console.log(JSON.stringify(shown));
"""


def clicked(rows, *columns):
    page = PAGE.replace("HEADS", json.dumps(["Scan", "mL"])).replace("ROWS", json.dumps(rows))
    script = page + script_of([SORT_SCRIPT]) + CLICKS.replace("CLICKED", json.dumps(columns))
    ran = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(ran.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_numbers_by_size_names_by_their_numbers_and_the_unknown_last():
    rows = [["sub-10", "9.5"], ["sub-9", "n/a"], ["sub-2", "-3"], ["sub-1", "120.0"]]
    up, down, names = clicked(rows, 1, 1, 0)
    assert up == [["sub-2", "sub-10", "sub-1", "sub-9"], ["none", "ascending"]]
    assert down == [["sub-1", "sub-10", "sub-2", "sub-9"], ["none", "descending"]]
    assert names == [["sub-1", "sub-2", "sub-9", "sub-10"], ["ascending", "none"]]
