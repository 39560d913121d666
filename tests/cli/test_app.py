"""pando new and generate: what they make builds without a warning, and its tests are green at once."""
import hashlib
import json
import shutil
import subprocess
import time
import socket
import urllib.request

import pytest

from conftest import ROOT, call, pando


def contents(app):
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(app.rglob("*"))
            if p.is_file() and "build" not in p.relative_to(app).parts}


def test_a_new_app_with_resources_builds_without_a_warning(shop):
    done = pando("build", cwd=shop / "modules" / "notes")
    assert done.code == 0, done.all
    assert "warning" not in done.all, done.all
    assert done.out.splitlines()[-1] == str(shop / "build" / "my_shop")


def test_its_tests_are_green(shop):
    done = pando("test", cwd=shop)
    assert done.code == 0, done.all
    assert "warning" not in done.all, done.all
    assert "FAIL" not in done.out
    for name in ("notes", "people", "products", "orders", "reports"):
        assert f"tests/{name}_test.c" in done.out


def test_pando_check_finds_nothing_in_it(shop):
    done = pando("check", cwd=shop)
    assert done.code == 0, done.all


def test_a_second_build_does_nothing_and_a_touched_file_is_rebuilt_alone(shop):
    assert pando("build", cwd=shop).code == 0
    again = call("make", cwd=shop)
    assert " cc " not in again.out and "link" not in again.out, again.out
    (shop / "modules" / "notes" / "notes.c").touch()
    third = call("make", cwd=shop)
    assert [line.split()[1] for line in third.out.splitlines() if line.startswith("  cc ")] == ["modules/notes/notes.c"]


def test_a_new_file_is_found_and_a_removed_one_forgotten(shop):
    new = shop / "modules" / "notes" / "extra.c"
    new.write_text("int notes_extra(void);\nint notes_extra(void) { return 1; }\n")
    assert "modules/notes/extra.c" in call("make", cwd=shop).out
    assert "extra.c" in (shop / "compile_commands.json").read_text()
    new.unlink()
    done = call("make", cwd=shop)
    assert done.code == 0, done.all
    assert "extra.c" not in (shop / "compile_commands.json").read_text()


def test_compile_commands_name_every_source(shop):
    call("make", cwd=shop)
    commands = json.loads((shop / "compile_commands.json").read_text())
    files = {c["file"] for c in commands}
    assert {"app.c", "main.c", "modules/orders/orders.c", "tests/orders_test.c"} <= files
    assert all(c["directory"] == str(shop) for c in commands)


def test_errors_of_the_sources_name_file_and_line(shop):
    page = shop / "modules" / "site" / "templates" / "home.html"
    good = page.read_text()
    page.write_text(good.replace("{{frame.person}}", "{{frame.persno}}"))
    done = pando("build", cwd=shop)
    page.write_text(good)
    assert done.code == 1
    assert "modules/site/templates/home.html:5:14: error PD-VIEW-011" in done.err and 'did you mean "person"?' in done.err, done.err


def test_the_app_serves_and_lists_its_routes(shop):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    routes = pando("routes", cwd=shop)
    assert "/orders/{id:id}/edit" in routes.out, routes.all
    assert pando("migrate", cwd=shop).code == 0
    moved = pando("db", "move", "sqlite:app.db", cwd=shop / "modules")
    assert moved.code == 78 and "set DATABASE_URL" in moved.err, moved.all
    program = subprocess.Popen([shop / "build" / "my_shop", "serve"], cwd=shop, env={"PORT": str(port)},
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/about", timeout=10).read().decode()
                break
            except OSError:
                assert program.poll() is None, program.stderr.read()
                time.sleep(0.05)
        assert "<h1>About</h1>" in page
    finally:
        program.terminate()
        program.wait(20)


def test_a_clone_in_another_folder_builds(shop, tmp_path):
    call("cp", "-r", shop, tmp_path / "elsewhere")
    call("make", "clean", cwd=tmp_path / "elsewhere")
    done = call("make", cwd=tmp_path / "elsewhere")
    assert done.code == 0, done.all


PLANTED = """\
#include "helpers.h"
#include "people_gen.h"

PD_TEST(a_wrong_status_is_told)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/no-such-page");
    PD_EXPECT_STATUS(b, 200);
}
PD_TEST(a_crash_is_one_failed_test)
{
    struct pd_client *b = pd_client_new(t);
    *(volatile int *)(void *)b = *(volatile int *)8;
}
PD_TEST(a_json_value_is_compared)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_json(ada, "POST", "/api/notes", "{\\"title\\": \\"Milk\\"}");
    PD_EXPECT_JSON(ada, "title", "Bread");
}
PD_TEST(statements_are_counted)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_get(ada, "/notes");
    PD_EXPECT_STATEMENTS(ada, 1);
}
PD_TEST(one_that_holds)
{
    struct pd_ctx *c = pd_test_ctx(t);
    struct people_user *u = people_user_insert(c, .email = PD_STR("a@b.c"), .name = PD_STR("A"),
                                               .password_hash = PD_STR("x"), .created_at = 1);
    PD_EXPECT(u != NULL);
    PD_EXPECT_INT(pd_commit(c), PD_OK);
    PD_EXPECT_STR(u->name, "A");
}
PD_TEST(the_database_is_fresh)
{
    PD_EXPECT(people_user_get(pd_test_ctx(t), 1) == NULL);
}
PD_TEST(repeated_statements_fail)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_get(ada, "/planted");
}
PD_TEST_MAIN(my_shop_app)
"""

NPLUS1 = """\
static pd_status planted(struct pd_ctx *c)
{
    for (pd_id id = 1; id < 9; id++)
        (void)notes_note_get(c, id);
    return pd_text(c, 200, PD_STR("text/plain"), PD_STR("x"));
}
"""


def test_failing_tests_say_where_and_why(shop):
    planted = shop / "tests" / "planted_test.c"
    notes = shop / "modules" / "notes" / "notes.c"
    good = notes.read_text()
    planted.write_text(PLANTED)
    notes.write_text(good.replace("static const struct pd_route ROUTES[] = {\n", NPLUS1 + "static const struct pd_route "
                                  'ROUTES[] = {\n    { PD_GET_, "/planted", planted },\n'))
    done = pando("test", "planted", cwd=shop)
    planted.unlink()
    notes.write_text(good)
    assert done.code == 1
    out = done.out
    assert "FAIL  a wrong status is told" in out
    assert "tests/planted_test.c:8: GET /no-such-page was answered with 404, expected 200" in out, out
    assert "FAIL  a crash is one failed test" in out
    assert 'title is "Milk", expected "Bread"' in out
    assert "ran 3 statements, expected at most 1" in out
    assert "ok    one that holds" in out and "ok    the database is fresh" in out
    assert "N+1: notes.note_get was run for the third key from modules/notes/notes.c:" in out
    assert "7 tests, 5 failed" in out


def test_new_refuses_what_exists_and_bad_names(tmp_path):
    (tmp_path / "taken").mkdir()
    done = pando("new", "taken", cwd=tmp_path)
    assert done.code == 73 and "taken is there already" in done.err and "remedy" in done.err
    for name in ("Shop", "1shop", "sh op", "", "-x", "shop!", "struct", "x" * 50, "../Up", ".", "..", "a/..", "gen", "debug", "sources",
                 "sealed", "sh\nop", "$(id)", "shop;id", "caf\u00e9"):
        done = pando("new", name, cwd=tmp_path)
        assert done.code == 2, (name, done.all)
        assert "remedy" in done.err, (name, done.err)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("words, says", [
    ("resource product name:text", "there is a module products already"),
    ("resource thing", "a resource has fields"),
    ("resource thing name", "has no type"),
    ("resource thing name:string", "it is called text here"),
    ("resource thing name:txet", "did you mean text?"),
    ("resource thing order:int", "cannot name a field"),
    ("resource thing c:int", "cannot name a field"),
    ("resource thing row:ref:products", "cannot name a field"),
    ("resource thing t:text", "cannot name a field"),
    ("resource thing a:int a:text", "is given twice"),
    ("resource thing owner:ref", 'no resource "owner"'),
    ("resource thing ok:bool:optional", "is always there"),
    ("resource thing a:int:maybe", 'what is "maybe"?'),
    ("resource Thing a:int", "cannot name a resource"),
    ("module notes", "there is a module notes already"),
    ("module assets", "cannot name a module"),
    ("module ../notes", "cannot name a module"),
    ("module $(id)", "cannot name a module"),
    ("page ../x", "cannot name a module"),
    ("page notes/../x", "cannot name a page"),
    ("page notes/a/b", "cannot name a page"),
    ("resource thing x:int --plural ../x", "cannot name a module"),
    ("resource thing x:int --currency JPY", "no currency with two decimals"),
    ("resource thing " + " ".join(f"f{n}:int" for n in range(25)), "at most 24 fields"),
    ("page nowhere/x", "there is no module nowhere"),
    ("page about", "about.c is there already"),
    ("widget x", "not a \"widget\""),
])
def test_generate_refuses_and_changes_nothing(shop, words, says):
    before = contents(shop)
    done = pando("generate", *words.split(), cwd=shop)
    assert done.code not in (0, 1), done.all
    assert says in done.err and "remedy" in done.err, done.err
    assert contents(shop) == before


def on_a_full_disk(line, cwd, elsewhere):
    """No file may be longer than 1 KiB. That would also cut short what a program built to be measured (scripts/coverage)
    writes when it ends, and no later one could add to it: this one writes elsewhere."""
    return call("bash", "-c", f'trap "" XFSZ; ulimit -f 1; exec {line}', cwd=cwd, GCOV_PREFIX=str(elsewhere))


def test_a_full_disk_leaves_nothing_behind(shop, tmp_path):
    before = contents(shop)
    done = on_a_full_disk("pando generate resource thing name:text", shop, tmp_path)
    assert done.code not in (0, 1, 2) and "cannot write" in done.err, done.all
    assert contents(shop) == before and not (shop / "modules" / "things").exists()
    assert "new " not in done.out


def test_a_full_disk_leaves_no_app(tmp_path):
    (tmp_path / "apps").mkdir()
    done = on_a_full_disk("pando new shop", tmp_path / "apps", tmp_path)
    assert done.code not in (0, 1, 2) and "cannot write" in done.err, done.all
    assert list((tmp_path / "apps").iterdir()) == []


def test_an_app_file_that_is_no_file_is_told(tmp_path):
    assert pando("new", "odd", cwd=tmp_path).code == 0
    app = tmp_path / "odd" / "app.c"
    app.unlink()
    app.mkdir()
    done = pando("generate", "module", "extra", cwd=tmp_path / "odd")
    assert done.code not in (0, 1, 2) and "cannot read" in done.err and "app.c" in done.err, done.all
    app.rmdir()
    app.write_bytes(b"x" * (5 << 20))
    done = pando("generate", "module", "more", cwd=tmp_path / "odd")
    assert done.code not in (0, 1, 2) and "is over 4 MiB" in done.err, done.all


def test_a_make_that_does_not_tell_is_told(tmp_path):
    app = tmp_path / "odd"
    (app / "modules").mkdir(parents=True)
    (app / "Makefile").write_text("build test:\nprogram:\n\t@yes | head -c 3000000\n")
    done = pando("build", cwd=app)
    assert done.code not in (0, 1, 2) and "printed over 1024 KiB" in done.err, done.all
    done = pando("routes", cwd=app)
    assert done.code not in (0, 1, 2) and "printed over 1024 KiB" in done.err, done.all
    (app / "Makefile").write_text("build test:\n\t@kill -9 $$PPID\n")
    assert pando("build", cwd=app).code == 128 + 9
    (tmp_path / "bin").mkdir()
    done = pando("build", cwd=app, PATH=str(tmp_path / "bin"))
    assert done.code == 127 and "cannot run make" in done.err and "pando doctor" in done.err, done.all


@pytest.mark.parametrize("words", ["resource extra a:int", "page web/extra"])
def test_generate_needs_the_modules_it_builds_on(words):
    done = pando("generate", *words.split(), cwd=ROOT / "finflow")
    assert done.code == 66 and "no modules/people/people.h" in done.err and "generate module" in done.err, done.all
    assert not (ROOT / "finflow" / "modules" / "extra").exists()


def test_a_module_needs_no_other(tmp_path):
    shelf = tmp_path / "shelf"
    shutil.copytree(ROOT / "examples" / "shelf", shelf)
    done = pando("generate", "module", "reports", cwd=shelf)
    assert done.code == 0 and "add to app.c:\n            &reports_module," in done.out, done.all
    app = shelf / "app.c"
    app.write_text(app.read_text().replace("&books_module }", "&books_module, &reports_module }")
                   .replace('#include "people/people.h"', '#include "people/people.h"\n#include "reports/reports.h"'))
    routes = pando("routes", cwd=shelf)
    assert "/reports" in routes.out and "warning" not in routes.all, routes.all
    done = pando("test", "reports", cwd=shelf)
    assert done.code == 0 and "ok    it answers" in done.out, done.all
    assert pando("check", cwd=shelf).code == 0


def test_generate_says_what_to_add_where_a_mark_is_gone(tmp_path):
    pando("new", "bare", cwd=tmp_path)
    app = tmp_path / "bare" / "app.c"
    app.write_text("".join(line for line in app.read_text().splitlines(True) if "pando: modules" not in line))
    done = pando("generate", "module", "extra", cwd=tmp_path / "bare")
    assert done.code == 0
    assert "add to app.c:\n            &extra_module," in done.out, done.out
    assert '#include "extra/extra.h"' in app.read_text()


# --- names that shells, make and JSON would read as their own --------------------------------------------------------

@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "it's a  \"place\" $x"
    folder.mkdir()
    assert pando("new", "shop", cwd=folder).code == 0
    return folder / "shop"


def test_an_app_may_lie_in_any_folder_and_have_any_flags(odd):
    makefile = odd / "Makefile"
    makefile.write_text("CFLAGS_EXTRA := -DGREETING='\"it is\"' -DMARK=\\\"x\\\"\n" + makefile.read_text())
    main = odd / "main.c"
    main.write_text(main.read_text() + '\n_Static_assert(sizeof GREETING == 6 && sizeof MARK == 2, "as written");\n')
    done = pando("build", cwd=odd)
    assert done.code == 0 and done.out.splitlines()[-1] == str(odd / "build" / "shop"), done.all
    assert call("make", cwd=odd).out.strip() == "make: Nothing to be done for 'build'."
    assert {c["directory"] for c in json.loads((odd / "compile_commands.json").read_text())} == {str(odd)}
    for command in (("check",), ("routes",), ("test", "notes")):
        done = pando(*command, cwd=odd)
        assert done.code == 0, done.all


def test_a_file_that_make_cannot_name_is_told(odd):
    photo = odd / "assets" / "my photo.png"
    photo.write_bytes(b"x")
    done = call("make", cwd=odd)
    photo.unlink()
    assert done.code != 0 and 'the name "assets/my photo.png"' in done.err and "rename" in done.err, done.all


def test_an_editors_file_may_be_gone_before_make_comes_to_it(odd):
    makefile = odd / "Makefile"
    good = makefile.read_text()
    (odd / "modules" / "notes" / "sedAbC1").write_text("x")
    makefile.write_text(good + "_ := $(shell rm modules/notes/sedAbC1)\n")
    done = call("make", cwd=odd)
    makefile.write_text(good)
    assert done.code == 0, done.all


def test_an_app_that_was_moved_knows_where_it_is(odd, tmp_path):
    assert call("make", cwd=odd).code == 0
    call("cp", "-a", odd, tmp_path / "moved")
    odd = tmp_path / "moved"
    assert pando("check", cwd=odd).code == 0
    assert {c["directory"] for c in json.loads((odd / "compile_commands.json").read_text())} == {str(odd)}
