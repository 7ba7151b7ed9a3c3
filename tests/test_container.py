"""The script that takes the place of `sanum` where that runs in a container."""

import inspect
import os
import re
import subprocess
from pathlib import Path

import pytest
import typer

from sanum.cli.main import app

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "containers" / "sanum"
DOCKERFILE = (ROOT / "containers" / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture
def wrapper(tmp_path, monkeypatch):
    """Run `containers/sanum` with an engine that tells what it was asked, one word a line."""
    for name in ("docker", "podman", "apptainer", "singularity"):
        engine = tmp_path / "bin" / name
        engine.parent.mkdir(exist_ok=True)
        engine.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        engine.chmod(0o755)
    (tmp_path / "work" / "in").mkdir(parents=True)
    (tmp_path / "work" / "in" / "a scan.nii").touch()
    monkeypatch.chdir(tmp_path / "work")

    def run(*words, engine="docker", **variables):
        env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
        env |= {"SANUM_ENGINE": engine, **variables}
        ran = subprocess.run([SCRIPT, *words], env=env, capture_output=True, text=True)
        return ran.returncode, ran.stdout.splitlines(), ran.stderr

    return run


def values(words, option):
    return {words[k + 1] for k, word in enumerate(words) if word == option}


@pytest.mark.parametrize("output", [["-o", "out"], ["--output", "out"], ["--output=out"]])
def test_inputs_are_read_only_and_the_results_are_mine(wrapper, tmp_path, output):
    here = tmp_path / "work"
    code, words, _ = wrapper("reconstruct", "in/a scan.nii", *output, "--quiet")
    assert code == 0
    assert words[0] == "run"
    assert values(words, "--user") == {f"{os.getuid()}:{os.getgid()}"}
    assert values(words, "--volume") == {f"{here}/in:{here}/in:ro", f"{here}/out:{here}/out:rw"}
    option = output[0].split("=")[0]
    assert words[words.index("sanum") :] == [
        "sanum",
        "reconstruct",
        f"{here}/in/a scan.nii",
        option,
        f"{here}/out",
        "--quiet",
    ]
    assert (here / "out").is_dir()


def test_links_are_mounted_with_where_they_lead(wrapper, tmp_path):
    here = tmp_path / "work"
    (here / "link.nii").symlink_to("in/a scan.nii")
    words = wrapper("reconstruct", "link.nii", "-o", "out")[1]
    assert {f"{here}:{here}:ro", f"{here}/in:{here}/in:ro"} < values(words, "--volume")


def test_bids_writes_to_its_second_folder(wrapper, tmp_path):
    here = tmp_path / "work"
    words = wrapper("bids", "in", "in/derivatives", "participant", "-w", "w", engine="apptainer")[1]
    assert values(words, "--bind") == {
        f"{here}/in:{here}/in:ro",
        f"{here}/in/derivatives:{here}/in/derivatives:rw",
        f"{here}/w:{here}/w:rw",
    }
    assert words[-3:] == ["participant", "-w", f"{here}/w"]


def test_bids_wants_its_folders_first(wrapper):
    """Else the value of an option could be taken for a folder, and the input for the output."""
    assert "before the options" in wrapper("bids", "--nprocs", "4", "in", "out", "participant")[2]


def test_outer_folders_are_mounted_before_inner_ones(wrapper):
    words = wrapper("reconstruct", "in", "-o", "in/derived/out", engine="apptainer")[1]
    binds = [words[k + 1] for k, word in enumerate(words) if word == "--bind"]
    assert [one[-2:] for one in binds] == ["ro", "rw"]


def test_weights_and_gpu_are_passed_on(wrapper, tmp_path):
    words = wrapper("info", SANUM_WEIGHTS="in", SANUM_GPU="1", SANUM_IMAGE="mine:1")[1]
    assert values(words, "--env") == {f"SANUM_WEIGHTS={tmp_path}/work/in"}
    assert values(words, "--gpus") == {"all"}
    assert words[-2:] == ["mine:1", "info"]


def test_what_cannot_be_run(wrapper):
    assert wrapper("info", engine="rkt")[::2] == (
        2,
        "sanum: unknown engine rkt: expected docker, podman, apptainer or singularity\n",
    )
    assert "no container can mount it" in wrapper("reconstruct", "in", "-o", "a:b")[2]


# --- which words are paths


def options():
    """Each option of each command: the command's words, the option, and what follows it."""
    for name, command in typer.main.get_command(app).commands.items():
        for words, one in [([name, n], c) for n, c in getattr(command, "commands", {}).items()] or [
            ([name], command)
        ]:
            types = inspect.signature(one.callback).parameters
            for option in (p for p in one.params if p.param_type_name == "option"):
                path = "Path" in str(types[option.name].annotation) or option.name == "weights"
                kind = "nothing" if option.is_flag else "path" if path else "value"
                for word in (*option.opts, *option.secondary_opts):
                    yield pytest.param(words, word, kind, id=" ".join([*words, word]))


@pytest.mark.parametrize(("command", "option", "kind"), list(options()))
def test_every_option_is_known(wrapper, tmp_path, command, option, kind):
    """A value that happens to name a file is left alone, but for paths."""
    here = tmp_path / "work"
    (here / "7").touch()
    (here / "folder").mkdir()
    if command == ["bids"]:
        command = ["bids", "in", "made", "participant"]
    if kind == "nothing":
        words = wrapper(*command, option, "-o", "folder")[1]
        assert words[words.index(option) + 1 :][:2] == ["-o", f"{here}/folder"]
        return
    value = "folder" if option in ("-o", "--output", "--to", "-w", "--work-dir") else "7"
    for given in ([option, value], [f"{option}={value}" if option.startswith("--") else option + value]):
        words = wrapper(*command, *given)[1]
        passed = f"{here}/{value}" if kind == "path" else value
        assert words[words.index(option) + 1] == passed


def test_arguments_that_are_no_paths(wrapper, tmp_path):
    """As where one stands in the data set."""
    here = tmp_path / "work"
    for name in ("participant", "sub-01", "list", "una-compact", "una"):
        (here / name).mkdir()
    words = wrapper("bids", ".", "../out", "participant", "--participant-label", "sub-01", "in")[1]
    labels = ["--participant-label", "sub-01", "in"]
    assert words[words.index("bids") :] == ["bids", str(here), f"{tmp_path}/out", "participant", *labels]
    assert wrapper("weights", "list")[1][-2:] == ["weights", "list"]
    assert wrapper("train", "una-compact")[1][-2:] == ["train", "una-compact"]
    assert (
        wrapper("reconstruct", "in", "--weights", "una-compact")[1][-1] == "una-compact"
    )  # a folder is none


@pytest.mark.parametrize("group", ["detect", "classify"])
def test_the_model_of_a_detector_is_a_file(wrapper, tmp_path, group):
    here = tmp_path / "work"
    (here / "normals").mkdir()
    words = wrapper(group, "fit", "normals", "-o", "models/mine.safetensors")[1]
    mounted = {f"{here}/normals:{here}/normals:ro", f"{here}/models:{here}/models:rw"}
    assert values(words, "--volume") == mounted
    assert words[-4:] == ["fit", f"{here}/normals", "-o", f"{here}/models/mine.safetensors"]
    assert not (here / "models" / "mine.safetensors").exists()  # no folder in its place


def test_weights_of_a_method(wrapper, tmp_path):
    here = tmp_path / "work"
    (here / "w").mkdir()
    (here / "w" / "mine.safetensors").touch()
    (here / "una").touch()
    words = wrapper("evaluate", "in", "--method", "una", "--method=una=w/mine.safetensors", "-o", "out")[1]
    assert f"{here}/w:{here}/w:ro" in values(words, "--volume")
    assert [w for w in words if w.startswith("una")] == ["una", f"una={here}/w/mine.safetensors"]


def test_models_that_are_measured_have_names(wrapper, tmp_path):
    here = tmp_path / "work"
    (here / "w").mkdir()
    for name in ("a.safetensors", "b.safetensors"):
        (here / "w" / name).touch()
    models = ("--model", "w/a.safetensors", "--model=mine=w/b.safetensors")
    words = wrapper("translate", "evaluate", "in", *models, "-o", "out")[1]
    assert f"{here}/w:{here}/w:ro" in values(words, "--volume")
    assert f"{here}/w/a.safetensors" in words
    assert f"mine={here}/w/b.safetensors" in words


@pytest.mark.parametrize("given", [["-oout"], ["-qoout"], ["-qo", "out"], ["-q", "--output=out"]])
def test_short_options_in_one_word(wrapper, tmp_path, given):
    words = wrapper("reconstruct", "in", *given)[1]
    assert f"{tmp_path}/work/out" in words
    assert ("-q" in words) == ("q" in given[0])
    assert (tmp_path / "work" / "out").is_dir()


def test_a_place_is_mounted_once(wrapper, tmp_path):
    here = tmp_path / "work"
    words = wrapper("reconstruct", "in", "in/.", "./in//", "../work/in", "in/a scan.nii", "-o", "out/")[1]
    mounted = [words[k + 1] for k, word in enumerate(words) if word == "--volume"]
    assert mounted == [f"{here}/in:{here}/in:ro", f"{here}/out:{here}/out:rw"]


def test_what_follows_a_link_up_is_where_the_kernel_goes(wrapper, tmp_path):
    (tmp_path / "else" / "deep").mkdir(parents=True)
    (tmp_path / "else" / "b.nii").touch()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "else" / "deep")
    assert f"{tmp_path}/else/b.nii" in wrapper("reconstruct", "link/../b.nii", "-o", "out")[1]


# --- what no word names


def test_the_demo_has_a_folder_without_one_named(wrapper, tmp_path):
    here = tmp_path / "work"
    words = wrapper("demo", "--seed", "3")[1]
    assert words[-2:] == ["--output", f"{here}/demo"]
    assert f"{here}/demo:{here}/demo:rw" in values(words, "--volume")
    (here / "demo").rmdir()
    assert wrapper("demo", "-o", "other")[1][-2:] == ["-o", f"{here}/other"]
    wrapper("demo", "--help")
    assert not (here / "demo").exists()


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_results_are_viewed_at_an_address_of_this_machine(wrapper, tmp_path, engine):
    """Verdicts are written; a folder that is not there is not made."""
    here, bind = tmp_path / "work", "--bind" if engine == "apptainer" else "--volume"
    (here / "results").mkdir()
    words = wrapper("view", "results", "--port", "8000", engine=engine)[1]
    assert words[-4:] == ["view", f"{here}/results", "--port", "8000"]
    assert f"{here}/results:{here}/results:rw" in values(words, bind)
    assert values(words, "--network") == (set() if engine == "apptainer" else {"host"})
    assert wrapper("view", "missing", engine=engine)[1][-1] == "missing"
    assert not (here / "missing").exists()


@pytest.mark.parametrize("engine", ["docker", "apptainer"])
def test_fetched_weights_stay(wrapper, tmp_path, engine):
    bind = {"docker": "--volume", "apptainer": "--bind"}[engine]
    cache = tmp_path / "home" / ".cache" / "sanum" / "weights"
    wrapper("weights", "fetch", "una", "--to", "w", engine=engine)
    assert not cache.exists()
    words = wrapper("weights", "fetch", "una", engine=engine)[1]
    assert cache.is_dir()
    assert f"{cache}:{cache}:rw" in values(words, bind)
    assert f"XDG_CACHE_HOME={tmp_path}/home/.cache" in values(words, "--env")
    words = wrapper("reconstruct", "in", "-o", "out", "--weights", "una", engine=engine)[1]  # and are found
    assert f"{cache}:{cache}:ro" in values(words, bind)
    assert f"XDG_CACHE_HOME={tmp_path}/home/.cache" in values(words, "--env")


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer", "singularity"])
def test_variables_are_passed_on(wrapper, engine):
    """All that the package reads of SLURM's array, and who may use what."""
    source = (ROOT / "src/sanum/cohort/shards.py").read_text(encoding="utf-8")
    names = re.search(r'SLURM_ARRAY_TASK_\{name\}", ""\) for name in \((.+?)\)', source)[1]
    told = {f"SLURM_ARRAY_TASK_{name}": "3" for name in re.findall(r"\w+", names)}
    told |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}
    words = wrapper("reconstruct", "in", "-o", "out", "--shard", "auto", engine=engine, **told)[1]
    assert values(words, "--env") == {f"{name}={value}" for name, value in told.items()}
    assert not values(wrapper("info", engine=engine)[1], "--env")


def test_processes_keep_their_numbers(wrapper):
    """Locks of scans tell of processes of this machine; --containall would give each container its own."""
    assert {"--contain", "--cleanenv"} < set(wrapper("info", engine="apptainer")[1])


def test_more_folders(wrapper, tmp_path):
    here = tmp_path / "work"
    (tmp_path / "data").mkdir()
    (tmp_path / "more").mkdir()
    more = f"{tmp_path}/data:../more/:in"
    words = wrapper("reconstruct", "-", "-o", "in", SANUM_BIND=more)[1]
    assert values(words, "--volume") == {
        f"{tmp_path}/data:{tmp_path}/data:ro",
        f"{tmp_path}/more:{tmp_path}/more:ro",
        f"{here}/in:{here}/in:rw",
    }
    assert words[-4:] == ["reconstruct", "-", "-o", f"{here}/in"]
    assert not values(words, "--workdir")
    words = wrapper("reconstruct", "-", "-o", "out", SANUM_BIND=".")[1]  # relative paths are from here
    assert values(words, "--workdir") == {str(here)}


def test_paths_on_standard_input_want_their_folders(wrapper):
    assert wrapper("reconstruct", "-", "-o", "out") == (
        2,
        [],
        "sanum: the paths on standard input are not seen from here: "
        "name their folders, as in SANUM_BIND=/data:/more\n",
    )


@pytest.mark.parametrize(
    "text", ["{}\n", "path\n{}\n", "\ufeffid\tpath\r\n{}\t/else\r\n1\t{}\r\n", "/missing\n{}"]
)
def test_lists_want_their_folders(wrapper, tmp_path, text):
    here, scan = tmp_path / "work", tmp_path / "data" / "x\\y.nii"
    scan.parent.mkdir()
    scan.touch()
    (here / "lists").mkdir()
    given = here / "lists" / "all.TSV"
    for inside in ("../../data/x\\\\y.nii", f"{tmp_path}/data/x\\x5cy.nii"):
        given.write_text(text.replace("{}", inside), encoding="utf-8", newline="")
        code, out, error = wrapper("reconstruct", "lists/all.TSV", "-o", "out")
        assert (code, out) == (2, [])
        assert error == (
            f"sanum: lists/all.TSV names {scan}, which is not mounted: name its folder in SANUM_BIND\n"
        )
        assert wrapper("reconstruct", "lists/all.TSV", "-o", "out", SANUM_BIND="../data")[0] == 0


def test_lists_of_what_is_mounted(wrapper, tmp_path):
    here = tmp_path / "work"
    (here / "in" / "list.tsv").write_text(f"a scan.nii\n./a scan.nii\n{here}/in/a scan.nii\nmissing.nii\n")
    assert wrapper("reconstruct", "in/list.tsv", "-o", "out")[0] == 0
    (tmp_path / "kept.nii").touch()
    (here / "in" / "a scan.nii").unlink()
    (here / "in" / "a scan.nii").symlink_to(tmp_path / "kept.nii")  # leads out of what is mounted
    assert f"names {tmp_path}/kept.nii" in wrapper("reconstruct", "in/list.tsv", "-o", "out")[2]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SANUM_WEIGHTS": "/nonexistent"}, "SANUM_WEIGHTS is no folder: /nonexistent"),
        (
            {"SANUM_BIND": "in:/nonexistent"},
            "SANUM_BIND names no folder: /nonexistent; expected folders as in /data:/more",
        ),
        ({"SANUM_BIND": "/"}, "/ cannot be mounted as a whole: use a folder in it"),
        ({"SANUM_BIND": "/tmp"}, "/tmp cannot be mounted as a whole: use a folder in it"),
    ],
)
def test_folders_that_cannot_be_mounted(wrapper, variables, told):
    assert wrapper("info", **variables) == (2, [], f"sanum: {told}\n")


# --- the image


def test_the_build_sees_what_it_copies_and_no_more():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(" ".join(copied).split())


def test_every_stage_that_runs_pip_takes_an_index():
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]:
        before = stage.split("pip ", 1)[0] if "pip " in stage else "ARG PIP_INDEX_URL ARG PIP_EXTRA_INDEX_URL"
        assert {"ARG PIP_INDEX_URL", "ARG PIP_EXTRA_INDEX_URL"} <= set(re.findall(r"ARG \w+", before))
