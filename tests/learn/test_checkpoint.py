import pytest
import torch

from sanum.files import whole_file
from sanum.learn.checkpoint import load_checkpoint, misfit, remove_partials, save_checkpoint

RECIPE = {"widths": (8, 16), "workers": 1, "loop.steps": 10, "sampling.real": 0.5, "sampling.level": None}


@pytest.fixture
def checkpoint(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", {"format": 2, "step": 3, "recipe": RECIPE})
    return tmp_path / "checkpoint.pt"


def test_the_same_recipe_goes_on(checkpoint):
    assert load_checkpoint(checkpoint, RECIPE) == {"format": 2, "step": 3, "recipe": RECIPE}


def test_what_may_change_under_way(checkpoint):
    assert load_checkpoint(checkpoint, RECIPE | {"workers": 4, "loop.steps": 20})["step"] == 3


@pytest.mark.parametrize("key", ["loop.learning_rate", "critic.clip"])
def test_any_optimizer_may_be_calmed(tmp_path, key):
    save_checkpoint(tmp_path / "checkpoint.pt", {"format": 2, "step": 3, "recipe": {key: 1.0}})
    assert load_checkpoint(tmp_path / "checkpoint.pt", {key: 0.5})["step"] == 3


def test_a_checkpoint_of_before_turns_had_names(tmp_path):
    """Keys that are called otherwise now, and keys that were not there."""
    old = {"step": 3, "optimizer": {"state": {}}, "recent": [[1.0, 2.0]], "recipe": {"mix.real": 0.5}}
    save_checkpoint(tmp_path / "checkpoint.pt", old)
    today = {"sampling.real": 0.5, "loop.optimizer": "adamw"}
    how = {"renamed": {"mix.real": "sampling.real"}, "assumed": {"loop.optimizer": "adamw"}}
    state = load_checkpoint(tmp_path / "checkpoint.pt", today, **how)
    assert state["turns"] == {"main": {"optimizer": {"state": {}}, "step": {}, "recent": [[1.0, 2.0]]}}
    with pytest.raises(ValueError, match=r"loop\.optimizer was adamw and is now adam;"):
        load_checkpoint(tmp_path / "checkpoint.pt", {**today, "loop.optimizer": "adam"}, **how)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"widths": (8, 32)}, "widths was 8,16 and is now 8,32"),
        (
            {"sampling.real": 1.0, "sampling.level": "mild"},
            "sampling.real was 0.5 and is now 1.0; sampling.level was None and is now mild",
        ),
        ({"new": 1}, "new was missing and is now 1"),
    ],
)
def test_another_recipe_is_named(checkpoint, change, named):
    with pytest.raises(ValueError, match="is of another recipe: ") as told:
        load_checkpoint(checkpoint, RECIPE | change)
    assert named in str(told.value)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04half"])
def test_a_damaged_one(tmp_path, content):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged; remove it"):
        load_checkpoint(tmp_path / "checkpoint.pt", RECIPE)


class Trap:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_nothing_else_is_unpickled(tmp_path, capsys):
    torch.save({"step": 1, "recipe": Trap()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "checkpoint.pt", RECIPE)
    assert capsys.readouterr().out == ""


def test_misfit_names_the_first_difference():
    own = {"a": torch.zeros(2, 3), "b": torch.zeros(())}
    assert misfit(dict(own), own) is None
    assert misfit({"a": torch.zeros(2, 4), "b": own["b"]}, own) == "a is 2×4 in it and 2×3 in this network"
    assert misfit({"a": own["a"]}, own) == "b is missing in it"
    assert misfit({**own, "c": own["a"]}, own) == "this network has no c"


def test_only_what_a_kill_left_is_removed(tmp_path):
    for name in (".checkpoint.pt.12.tmp", "checkpoint.pt", "mine.tmp", ".hidden"):
        (tmp_path / name).touch()
    killed = [whole_file(tmp_path / "checkpoint.pt"), whole_file(tmp_path / "sheets" / "1.png")]
    for writing in killed:
        writing.__enter__().touch()
    remove_partials(tmp_path)
    assert list((tmp_path / "sheets").iterdir()) == []
    (tmp_path / "sheets").rmdir()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "checkpoint.pt", "mine.tmp"]


STATE = {
    "format": 2,
    "step": 3,
    "recipe": {"widths": (8, 16), "x": 0.5},
    "model": {"a.weight": torch.arange(120.0), "b": torch.arange(40)},
}


def _same(one, other):
    tensors = all(torch.equal(one["model"][k], x) for k, x in other["model"].items())
    return tensors and {**one, "model": 0} == {**other, "model": 0}


@pytest.mark.parametrize("step", [37, pytest.param(17, marks=pytest.mark.full)])
def test_a_flipped_bit_is_seen_or_changes_nothing(tmp_path, step):
    """PyTorch reads the weights beside a wrong checksum without a word."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    whole, seen, tried = path.read_bytes(), 0, range(0, 8 * path.stat().st_size, step)
    for bit in tried:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            state = load_checkpoint(path, STATE["recipe"])
        except ValueError as told:
            seen += "checkpoint.pt is damaged; remove it" in str(told)
            continue
        assert _same(state, STATE), f"bit {bit}"
    assert seen > 0.3 * len(tried)


def test_a_flipped_bit_of_a_weight_is_seen(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    at = content.index(STATE["model"]["a.weight"].numpy().tobytes())
    content[at + 202] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["step"] == 3
    with pytest.raises(ValueError, match="is damaged"):
        load_checkpoint(path, STATE["recipe"])


def test_an_older_checkpoint_has_the_checksums_of_its_archive_alone(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save(STATE, path)
    assert _same(load_checkpoint(path, STATE["recipe"]), STATE)
    content = bytearray(path.read_bytes())
    content[content.index(STATE["model"]["a.weight"].numpy().tobytes()) + 202] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        load_checkpoint(path, STATE["recipe"])
