from sanum.cli.messages import Steps


def test_a_name_is_no_markup(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with Steps("[/] [bold]x.nii", quiet=False) as tell:
        tell("read")
    assert "[/] [bold]x.nii" in capsys.readouterr().err
