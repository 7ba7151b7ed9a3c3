from contextlib import closing

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from sanum.learn.logs import Logs


def on_the_board(folder):
    """(step, tag) of everything that TensorBoard would read."""
    files = sorted((folder / "tensorboard").glob("events*"))
    events = [e for f in files for e in EventFileLoader(str(f)).Load()]
    return [(e.step, v.tag) for e in events for v in e.summary.value]


def test_cut_where_the_checkpoint_was(tmp_path):
    with closing(Logs(tmp_path, {})) as logs:
        for step in (1, 2, 3, 4):
            logs.row(step, {"loss": 1 / step})
            if step == 2:
                marks = logs.marks()
    with closing(Logs(tmp_path, marks)) as logs:
        for step in (3, 4):
            logs.row(step, {"loss": 10.0 * step})
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss", "1,1", "2,0.5", "3,30", "4,40"]
    assert on_the_board(tmp_path) == [(n, "loss") for n in (1, 2, 3, 4)]


def test_a_run_without_a_checkpoint_begins_anew(tmp_path):
    for value in (1.0, 2.0):
        with closing(Logs(tmp_path, {})) as logs:
            logs.row(1, {"loss": value})
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss", "1,2"]
    assert on_the_board(tmp_path) == [(1, "loss")]


def test_a_float32_comes_back_exactly(tmp_path):
    values = np.random.default_rng(0).normal(size=50).astype(np.float32)
    with closing(Logs(tmp_path, {})) as logs:
        for n, value in enumerate(values):
            logs.row(n, {"loss": float(value)})
    lines = (tmp_path / "log.csv").read_text().split()[1:]
    assert [np.float32(line.split(",")[1]) for line in lines] == list(values)


def test_sheets_are_kept(tmp_path):
    from PIL import Image

    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    with closing(Logs(tmp_path, {})) as logs:
        logs.sheet(20, picture)
    assert np.array_equal(Image.open(tmp_path / "sheets" / "step-0000020.png"), picture)
    assert on_the_board(tmp_path) == [(20, "sheet")]
