"""Beginners' mistakes: what is said about each, and that doing what is said helps. The cases are in *.txt; see app.py."""
import pytest

from app import copied, made, matches, read_cases

CASES = list(read_cases())


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return made(tmp_path_factory.mktemp("new"))


def test_there_are_enough_of_them():
    assert len(CASES) >= 60
    assert len({c.name for c in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_mistake(case, shop, tmp_path):
    app = copied(shop, tmp_path / "shop")
    if case.needs and app.shell(case.needs).returncode != 0:
        pytest.skip(case.needs)
    for name, body in case.edits:
        app.edit(name, body)
    said, worked = app.do(case.do)
    assert not worked, f"it works:\n{said}"
    missing = matches(case.says, said)
    assert missing is None, f"not said: {missing}\n\n{said}"
    if case.undo:
        app.undo()
    for name, body in case.mends:
        app.edit(name, body)
    if case.command:
        mended = app.shell(case.command)
        assert mended.returncode == 0, mended.stdout
    said, worked = app.do(case.do)
    assert worked, f"the remedy does not help:\n{said}"
