"""What stands around the findings: exemptions, check.todo, the SQL that gen refuses, how it is told."""
import re
import subprocess

import pytest

from app import PANDO, ROOT, App, found

SQL = "modules/shop/queries.sql"
MIGRATION = "modules/shop/migrations/0002_more.sql"

FOREIGN = {  # a table of module stock, read or written by module shop
    "join": "-- name: bad :many\nselect i.id from shop_item i join stock_owner o on o.id = i.owner_id limit :n;",
    "subquery": "-- name: bad :many\nselect id from shop_item where owner_id in (select id from stock_owner) limit :n;",
    "exists": "-- name: bad :many\nselect id from shop_item i where exists (select 1 from stock_owner o where o.id = i.owner_id) limit :n;",
    "cte": "-- name: bad :many\nwith o as (select id from stock_owner) select i.id from shop_item i join o on o.id = i.owner_id limit :n;",
    "union": "-- name: bad :many\nselect id from shop_item where id = :id union all select id from stock_owner where id = :id;",
    "scalar": "-- name: bad :one\nselect id, (select name from stock_owner o where o.id = i.owner_id) as \"name?\" from shop_item i where id = :id;",
    "insert select": "-- name: bad :exec\ninsert into shop_order (item_id, code) select id, name from stock_owner where id = :id;",
    "write": "-- name: bad :exec\nupdate stock_owner set name = :name where id = :id;",
    "delete": "-- name: bad :exec\ndelete from stock_owner where id = :id;",
    "fragment": "-- name: bad :many\nselect id from shop_item where owner_id = :owner\n-- ?  and owner_id in (select id from stock_owner where name = :name)\nlimit :n;",
}
FOREIGN_SCHEMA = {
    "view": "create view shop_owners as select id, name from stock_owner;",
    "view of a view": "create view shop_a as select id from stock_owner;\ncreate view shop_b as select id from shop_a;",
    "trigger on insert": "create trigger shop_t after insert on shop_item begin\n  update stock_owner set name = 'x' where id = new.owner_id;\nend;",
    "trigger on update": "create trigger shop_t after update on shop_order begin\n  delete from stock_owner where id = old.id;\nend;",
    "trigger with when": "create trigger shop_t after update on shop_order when (select count(*) from stock_owner) > 3 begin\n  update shop_order set code = 'x' where id = new.id;\nend;",
    "table of others": "create table stock_extra (id id, name text not null);",
}


def codes(app):
    return {(f["file"], f["code"]) for f in app.check()["findings"]}


@pytest.mark.parametrize("what", FOREIGN)
def test_statements_keep_to_their_tables(tmp_path, what):
    app = App(tmp_path / "app", "innocent")
    app.write(SQL, (app.folder / SQL).read_text() + "\n" + FOREIGN[what] + "\n")
    assert (SQL, "PD-SQL-014") in codes(app)


@pytest.mark.parametrize("what", FOREIGN_SCHEMA)
def test_schemas_keep_to_their_tables(tmp_path, what):
    app = App(tmp_path / "app", "innocent").write(MIGRATION, FOREIGN_SCHEMA[what] + "\n")
    report = app.check()
    refused = [f for f in report["findings"] if f["code"] in ("PD-SQL-014", "PD-SQL-005")]
    assert refused and all(f["file"].startswith("modules/shop/") for f in refused)
    assert all(f["line"] > 0 and f["remedy"] for f in refused)


def test_an_index_stays_in_its_module(tmp_path):
    app = App(tmp_path / "app", "innocent")
    app.write("modules/stock/migrations/0002_more.sql", "create index shop_item_by_price on shop_item(price);\n")
    assert ("modules/stock/migrations/0002_more.sql", "PD-SQL-014") in codes(app)


def test_a_scan_is_refused_with_the_index_that_mends_it(tmp_path):
    app = App(tmp_path / "app", "innocent")
    app.write(SQL, (app.folder / SQL).read_text() +
              "\n-- name: by_name :many\nselect id from shop_item where name = :name order by id limit :n;\n")
    (finding,) = app.check()["findings"]
    assert finding["code"] == "PD-SQL-040"
    index = re.search(r"create index .*;", finding["remedy"]).group(0)
    app.write(MIGRATION, index + "\n")
    assert app.build().check()["findings"] == []


@pytest.mark.parametrize("column", ["item_id ref(shop_item) not null",
                                    "item_id int not null, foreign key (item_id) references shop_item(id)"])
def test_a_foreign_key_without_index_is_refused_with_its_index(tmp_path, column):
    app = App(tmp_path / "app", "innocent").write(MIGRATION, f"create table shop_line (id id, n int not null, {column});\n")
    (finding,) = app.check()["findings"]
    assert (finding["code"], finding["file"], finding["line"]) == ("PD-SQL-010", MIGRATION, 1)
    index = re.search(r"create index .*;", finding["remedy"]).group(0)
    app.write(MIGRATION, (app.folder / MIGRATION).read_text() + index + "\n")
    assert app.build().check()["findings"] == []


def test_what_is_listed_is_known_and_the_list_only_shrinks(tmp_path):
    app = App(tmp_path / "app", "planted").build()
    todo = app.folder / "check.todo"
    first = app.check("--todo")
    assert first["errors"] == 0 and todo.exists()
    assert app.check()["errors"] == 0 and app.check()["known"] == len(first["findings"])
    text = todo.read_text()
    assert not re.search(r":\d", text), "a key names a line"

    load = app.folder / "modules/shop/load.c"  # lines move: the keys stay
    files = app.folder / "modules/shop/files.c"
    files.write_text("\n\n\n" + files.read_text())
    assert app.build().check()["errors"] == 0

    files.write_text(files.read_text().replace("fclose(f);", "(void)f;"))  # one is mended
    (gone,) = [f for f in app.build().check()["findings"] if not f["known"]]
    assert gone["code"] == "PD-CHECK-005" and gone["file"] == "check.todo" and gone["line"] > 1

    load.write_text(load.read_text() + "int shop_new;\n")  # one is new: it is never added
    new = [f for f in app.build().check("--todo")["findings"] if not f["known"]]
    assert [(f["code"], f["file"]) for f in new] == [("PD-CHECK-010", "modules/shop/load.c")]
    assert len(todo.read_text().splitlines()) == len(text.splitlines()) - 1
    assert "shop_new" not in todo.read_text()


def test_without_findings_no_list_is_written(tmp_path):
    app = App(tmp_path / "app", "innocent").build()
    assert app.check("--todo")["findings"] == []
    assert not (app.folder / "check.todo").exists()


def test_findings_as_text(tmp_path):
    app = App(tmp_path / "app", "innocent").write("modules/shop/extra.c", "int shop_extra;\n").build()
    run = app.check(json_out=False)
    assert run.returncode == 1
    lines = run.stderr.splitlines()
    assert lines[0] == 'modules/shop/extra.c:1: error PD-CHECK-010: server-side state: writable variable "shop_extra"'
    assert lines[1].startswith("  remedy: ")
    assert "1 error, 0 known" in run.stdout
    explained = (ROOT / "share/explain/check.md").read_text()
    assert "## PD-CHECK-010: " in explained


def test_every_code_is_explained():
    said = set()
    for file in (ROOT / "src/check").glob("*.c"):
        said |= set(re.findall(r'"(PD-CHECK-\d+)"', file.read_text()))
    explained = re.findall(r"^## (PD-CHECK-\d+): ", (ROOT / "share/explain/check.md").read_text(), re.M)
    assert sorted(said) == sorted(explained)
    for code in said:
        run = subprocess.run([PANDO, "explain", code], capture_output=True, text=True)
        assert run.returncode == 0 and "Remedy" in run.stdout, code


@pytest.mark.parametrize("way", ["file", "folder", "relative", "dots"])
def test_a_private_header_is_found_whatever_the_way_to_it(tmp_path, way):
    app = App(tmp_path / "app", "innocent")
    name = {"file": "mine.h", "folder": "mine/inner.h", "relative": "../shop/inner.h", "dots": "./../stock/./../shop/inner.h"}[way]
    stock = app.folder / "modules/stock"
    if way == "file":
        (stock / "mine.h").symlink_to("../shop/inner.h")
    if way == "folder":
        (stock / "mine").symlink_to("../shop")
    app.write("modules/stock/extra.c", f'#include "{name}"\nint stock_extra(void);\nint stock_extra(void) {{ return 1; }}\n').build()
    assert ("modules/stock/extra.c", 1, "PD-CHECK-050") in found(app.check())


def test_an_object_without_debug_information_still_tells(tmp_path):
    app = App(tmp_path / "app", "planted", "cc", ("-O0",)).build()
    variables = ("PD-CHECK-010", "PD-CHECK-011", "PD-CHECK-012", "PD-CHECK-013")
    state = [f for f in app.check()["findings"] if f["code"] in variables]
    planted = [mark for mark in app.planted() if mark[2] in variables and "sneaky" not in mark[0]]
    assert len([f for f in state if f["file"].endswith("state.c")]) >= len(planted)
    assert sum(f["line"] > 0 for f in state) >= len(planted) - 2  # a header and a literal have no place


def test_a_state_needs_a_reason(tmp_path):
    for macro, reason, compiles in [("PD_STATE", '"it counts"', True), ("PD_STATE", '""', False), ("PD_STATE", "NULL", False),
                                    ("PD_STATE_THREAD", '""', False)]:
        source = tmp_path / "a.c"
        kind = "_Thread_local " if "THREAD" in macro else ""
        source.write_text(f"#include <stddef.h>\n#include <pando/state.h>\n{macro}({reason}) static {kind}int n;\nint *f(void) {{ return &n; }}\n")
        done = subprocess.run(["cc", f"-I{ROOT}/include", "-c", "-o", tmp_path / "a.o", source], capture_output=True)
        assert (done.returncode == 0) == compiles, done.stderr


def test_the_wrong_kind_of_state(tmp_path):
    app = App(tmp_path / "app", "innocent")
    app.write("modules/shop/extra.c", "#include <pando/state.h>\nPD_STATE(\"why\") _Thread_local int shop_extra;\n").build()
    assert found(app.check()) == [("modules/shop/extra.c", 2, "PD-CHECK-013")]


def test_an_app_that_does_not_build_is_told(tmp_path):
    app = App(tmp_path / "app", "innocent").write("Makefile", ".PHONY: build\nbuild:\n\t@echo it is broken; exit 1\n").build()
    run = subprocess.run([PANDO, "check", "--app", app.folder], capture_output=True, text=True)
    assert run.returncode == 1 and "it is broken" in run.stderr and "remedy:" in run.stderr


@pytest.mark.parametrize("listed", ["&more_module", "MODULE(more)"])
def test_a_list_may_be_made_by_a_macro(tmp_path, listed):
    app = App(tmp_path / "app", "innocent")
    app.write("modules/more/more.h", "#pragma once\n#include <pando/pando.h>\nextern const struct pd_module more_module;\n")
    app.write("modules/more/more.c", '#include "more/more.h"\nconst struct pd_module more_module = { .name = "more" };\n').build()
    assert found(app.check()) == [("modules/more/more.c", 2, "PD-CHECK-058")]
    text = (app.folder / "app.c").read_text()
    app.write("app.c", text.replace("&stock_module", f"&stock_module, {listed}").replace(
        '#include "args.h"', '#include "args.h"\n#include "more/more.h"\n#define MODULE(name) &name##_module', 1)).build()
    assert app.check()["findings"] == []
