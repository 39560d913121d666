"""The tools of the documentation: what they promise, and that they refuse what they must refuse."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/docs"))
import fences  # noqa: E402
import headers  # noqa: E402
import runner  # noqa: E402
import website  # noqa: E402

HEADER = """/* x.h - a thing.
 *
 *     pd_x_go(x);
 */
#ifndef PANDO_X_H
#define PANDO_X_H

struct pd_x; /* opaque */

/* Both of them. */
void pd_x_go(struct pd_x *x);
bool pd_x_stop(struct pd_x *x, /* the one
                                * meant */
               int why) __attribute__((nonnull(1)));

%s
#endif
"""


def read(tmp_path, more):
    path = tmp_path / "x.h"
    path.write_text(HEADER % more)
    return path, headers.read(path)


def test_a_group_shares_its_comment(tmp_path):
    path, header = read(tmp_path, "")
    assert (header.name, header.summary) == ("x.h", "a thing.")
    assert [i.name for i in header.items()] == ["pd_x", "pd_x_go", "pd_x_stop"]
    assert header.sections[0].groups[-1].comment == "Both of them."
    assert headers.uncommented(path, header) == []


@pytest.mark.parametrize("more, silent", [
    ("void pd_x_silent(void);", True),
    ("static inline int pd_x_silent(int a)\n{\n    return a ? '}' : 0; /* no } here */\n}", True),
    ("void pd_x_said(void); /* says */", False),
    ("/* --- all --- */\n/* These. */\n\nvoid pd_x_said(void);", False),
    ("/* --- private --- */\nvoid pd_x_hidden(void);", False),
])
def test_a_function_nobody_speaks_of_is_found(tmp_path, more, silent):
    path, header = read(tmp_path, more)
    found = headers.uncommented(path, header)
    assert [f.split(" ")[1] for f in found] == (["pd_x_silent"] if silent else [])


def test_what_is_not_understood_is_refused(tmp_path):
    with pytest.raises(headers.HeaderError, match="x.h:16"):
        read(tmp_path, "PD_MADE_BY_MACRO(x);")


def test_an_enum_brings_its_names(tmp_path):
    _, header = read(tmp_path, "enum pd_x_kind { PD_X_A, PD_X_B = 2, /* PD_NO */\n    PD_X_C };")
    assert header.items()[-1].also == ["PD_X_A", "PD_X_B", "PD_X_C"]


@pytest.mark.parametrize("info", ["c", "c file=a run", "c nonsense", 'c skip="', "sql"])
def test_a_block_that_does_not_say_how_it_is_proved_is_refused(info):
    with pytest.raises(fences.FenceError, match="p.md:2"):
        fences.fences_of("p.md", f"# T\n```{info}\nx\n```\n")


def test_blocks_are_found_in_order_and_inside_comments():
    found = fences.fences_of("p.md", "```c file=a.c\none\n```\n<!--\n```sh run\n$ true\n```\n-->\n````text\n```\n````\n")
    assert [(b.lang, b.verb, b.text) for b in found] == [
        ("c", "file", "one\n"), ("sh", "run", "$ true\n"), ("text", "text", "```\n")]


@pytest.mark.parametrize("expected, got, same", [
    ("a\nb\n", "a\nb\n", True), ("a\nb\n", "a\nc\n", False), ("a … c\n", "a big c\n", True), ("a … c\n", "a b\n", False),
    ("a\n…\nd\n", "a\nb\nc\nd\n", True), ("a\n…\nd\n", "a\nd\n", True), ("a\n…\n", "b\n", False),
    ("a\n", "a\nb\n", False), ("took … ms\n", "took 3 ms\nand more\n", False), ("a.c\n", "abc\n", False),
])
def test_shown_output_is_compared(expected, got, same):
    assert runner.matches(expected, got) == same


def proof_of(tmp_path, text):
    """Runs a page; returns its problems."""
    proof = runner.Runner(ROOT, tmp_path, tmp_path / "run")
    (tmp_path / "p.md").write_text(text)
    proof.root = tmp_path
    proof.page("p.md", fences.fences_of("p.md", text))
    proof.root = ROOT
    return proof.problems


@pytest.mark.parametrize("page", [
    "```c compile\nint f(int x);\n```\n", "```c body\nreturn pd_text(c, 200, PD_STR(\"a\"), PD_STR(\"b\"));\n```\n",
    "```sh run\n$ cd /\n$ pwd\n/\n```\n```sh run exit=3\n$ pwd; exit 3\n/\n```\n",
    "```text file=a\none\ntwo\nthree\n```\n```text change=a from=one to=two\n1\n2\n```\n```text add=a after=three\n4\n```\n"
    "```sh run\n$ tr '\\n' ' ' <a\n1 2 three 4\n```\n",
])
def test_what_is_true_is_accepted(tmp_path, page):
    # The folder of the page stands for the source tree: only what needs no header of ours is real here.
    if "#include" not in page and page.startswith("```c"):
        (tmp_path / "include").symlink_to(ROOT / "include")
    assert proof_of(tmp_path, page) == []


@pytest.mark.parametrize("page, says", [
    ("```c compile\nint f(int x)\n```\n", "does not compile"), ("```c body\npd_nothing(c);\n```\n", "does not compile"),
    ("```sh run\n$ echo a\nb\n```\n", "was to print"), ("```sh run\n$ false\n$ true\n```\n", "ended with 1"),
    ("```sh run exit=2\n$ false\n```\n", "ended with 1"), ("```text from=nothing\na\n```\n", "there is no nothing"),
    ("```text from=q.md\nnot there\n```\n", "does not contain"), ("```text add=nothing\na\n```\n", "no nothing to change"),
    ("```sh start\n$ exit 1\n```\n", "nothing answers"),
])
def test_what_is_wrong_is_found(tmp_path, page, says):
    (tmp_path / "include").symlink_to(ROOT / "include")
    (tmp_path / "q.md").write_text("something else\n")
    problems = proof_of(tmp_path, page)
    assert len(problems) == 1 and says in problems[0]


def test_links_and_anchors_are_looked_at(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">b</a><a href="#x">x</a><img src="https://e.x/i.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#z">z</a><a href="c.html">c</a><script>1</script>')
    assert website.check(tmp_path) == [
        "b.html: a script", "a.html: loads https://e.x/i.png", "a.html: the anchor of b.html#y does not exist",
        "b.html: the anchor of a.html#z does not exist", "b.html: the link c.html leads nowhere"]


def test_anchors_are_those_of_github():
    assert website.with_anchors("<h2>Run &amp; see: <code>a_b</code>, twice</h2>").startswith(
        '<h2 id="run--see-a_b-twice">')
