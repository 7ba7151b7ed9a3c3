// A click on the head of a column sorts its table, without any library; what is not known comes last.
for (const table of document.querySelectorAll("table.many")) {
  const body = table.tBodies[0], headers = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [a, b].map(t => t === "" ? NaN : Number(t));
    if (!isNaN(x) && !isNaN(y)) return x - y;
    if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
    return a.localeCompare(b, "en", {numeric: true});
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      headers.forEach(other => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const unknown = row => ["", "n/a", "not available"].includes(valueOf(row, column));
      const rows = [...body.rows], known = rows.filter(row => !unknown(row));
      known.sort((a, b) => (down ? -1 : 1) * compare(valueOf(a, column), valueOf(b, column)));
      body.append(...known, ...rows.filter(unknown));
    });
  });
}
