"""What `pando explain` says is true: every code has a section, and the example in it has just that error.

In a section, the files before "**Remedy.**" make the mistake, those behind it mend it. Both are put over the app that
the beginning of sql.md describes.
"""
import pathlib
import re
import subprocess

import pytest

from app import BUILD, ROOT

PANDO = BUILD / "src/cli/pando"
EXPLAIN = ROOT / "share/explain"
FENCE = re.compile(r'^```\w+ file=(?:"([^"]+)"|(\S+))\n(.*?)^```$', re.M | re.S)
REMEDY = "**Remedy.**"


def meanings():
    """All codes of gen and of the run time, with their one line of meaning."""
    found = {}
    for name in ("errors.def", "errors_views.def"):
        found.update(re.findall(r'GEN_ERROR\("([^"]+)", "((?:[^"\\]|\\.)*)"\)', (ROOT / "src/gen" / name).read_text()))
    for name, text in re.findall(r'PD_ERR\((\w+),.*"([^"]*)"\)', (ROOT / "include/pando/err.def").read_text()):
        found["PD-RUN-" + name] = text
    return found


def sections():
    found = {}
    for path in sorted(EXPLAIN.glob("*.md")):
        for part in re.split(r"^## ", path.read_text(), flags=re.M)[1:]:
            head, body = part.split("\n", 1)
            code, title = re.match(r"(PD-\w+-\w+):? (.*)", head).groups()
            assert code not in found, f"{code} has two sections"
            found[code] = (title, body)
    return found


def files(text):
    return {a or b: body for a, b, body in FENCE.findall(text)}


CODES, SECTIONS = meanings(), sections()
BASE = files((EXPLAIN / "sql.md").read_text().split("\n## ", 1)[0])
# What an example cannot show: a file that cannot be read, thousands of files, bytes that are no text, a server.
BY_HAND = {"PD-SQL-060", "PD-SQL-061", "PD-SQL-062", "PD-SQL-063", "PD-SQL-064", "PD-SHAPE-013", "PD-VIEW-005", "PD-VIEW-007", "PD-ASSET-005"}


def put(app, texts):
    for name, text in texts.items():
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)


def gen(app, *options):
    said = subprocess.run([PANDO, "gen", "--app", app, "--out", app.parent / "out", *options],
                          capture_output=True, text=True, timeout=60)
    return said.stderr, set(re.findall(r"(?:error|warning) (PD-\w+-\d+):", said.stderr))


def app_with(tmp_path, *changes):
    app = tmp_path / "app"
    for texts in (BASE, *changes):
        put(app, texts)
    return app


def test_the_app_of_the_examples_is_right(tmp_path):
    said, codes = gen(app_with(tmp_path))
    assert codes == set(), said


def test_every_code_has_a_section_and_every_section_a_code():
    sources = "".join(path.read_text() for path in (ROOT / "src/check").glob("*.[ch]"))
    assert set(SECTIONS) == set(CODES) | set(re.findall(r"PD-CHECK-\d+", sources))


@pytest.mark.parametrize("code", CODES)
def test_a_section_has_its_meaning_a_cause_and_a_remedy(code):
    title, body = SECTIONS[code]
    assert title == CODES[code]
    cause, remedy = body.split(REMEDY)
    assert len(cause.split()) > 5 and len(remedy.split()) > 2


@pytest.mark.parametrize("code", [c for c in CODES if not c.startswith("PD-RUN")])
def test_the_example_has_that_error_and_the_remedy_mends_it(code, tmp_path):
    wrong, right = (files(text) for text in SECTIONS[code][1].split(REMEDY))
    assert bool(wrong) != (code in BY_HAND)
    if wrong:
        options = ["--check"] if code == "PD-SQL-050" else []
        said, codes = gen(app_with(tmp_path / "wrong", wrong), *options)
        assert codes == {code}, said
        assert "remedy: " in said
    if right:
        said, codes = gen(app_with(tmp_path / "right", right))
        assert codes == set(), said


@pytest.mark.parametrize("code, name", [("PD-SHAPE-013", "modules/crew/shapes.h"),
                                        ("PD-VIEW-007", "modules/crew/templates/a.html")])
def test_a_folder_in_the_place_of_a_file_cannot_be_read(code, name, tmp_path):
    app = app_with(tmp_path)
    (app / name).mkdir(parents=True)
    said, codes = gen(app)
    assert codes == {code}, said


def test_bytes_that_are_no_text(tmp_path):
    said, codes = gen(app_with(tmp_path, {"modules/shop/templates/page.html": b"<p>caf\xe9</p>"}))
    assert codes == {"PD-VIEW-005"}, said


def test_thousands_of_assets(tmp_path):
    said, codes = gen(app_with(tmp_path, {f"assets/{n}.txt": "x" for n in range(4100)}))
    assert codes == {"PD-ASSET-005"}, said


# --- the command -----------------------------------------------------------------------------------------------

def explain(*words):
    return subprocess.run([PANDO, "explain", *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("code", CODES)
def test_it_prints_the_section(code):
    said = explain(code.lower())
    assert said.returncode == 0, said.stderr
    title, body = SECTIONS[code]
    assert said.stdout.startswith(f"{code}: {title}\n")
    for line in body.splitlines():
        if line.startswith("```") or not line.strip():
            continue
        assert line.replace("**", "").strip() in said.stdout


def test_it_prints_nothing_of_the_next_section():
    assert "PD-SQL-013" not in explain("PD-SQL-012").stdout


def test_without_a_code_it_lists_all():
    said = explain().stdout
    for code, meaning in CODES.items():
        assert re.search(rf"^  {code} +{re.escape(meaning)}$", said, re.M), code
    assert "PD-VIEW: templates" in said


@pytest.mark.parametrize("wrong, near", [("PD-SQL-12", "PD-SQL-012"), ("PD-RUN-ECONFG", "PD-RUN-ECONFIG"),
                                         ("SQL-012", "PD-SQL-012"), ("ECONFIG", "PD-RUN-ECONFIG")])
def test_an_unknown_code_suggests_the_nearest(wrong, near):
    said = explain(wrong)
    assert said.returncode == 2 and f"did you mean {near}?" in said.stderr


def test_nothing_near_says_where_the_list_is():
    said = explain("E4711")
    assert said.returncode == 2 and "pando explain" in said.stderr
