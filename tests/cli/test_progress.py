from sanum.cli.progress import ItemProgress


def test_a_name_is_no_markup(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with ItemProgress(1, quiet=False) as progress:
        progress.step("[/] [bold]x.nii", "read")
    assert "[/] [bold]x.nii" in capsys.readouterr().err
