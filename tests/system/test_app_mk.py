"""app.mk: a file that is saved while it is being built is built again."""
import os
import pathlib
import subprocess

import pytest
from conftest import sanitizer

BUILD = pathlib.Path(os.environ["PANDO_BUILD"])
PANDO = BUILD / "src/cli/pando"
pytestmark = pytest.mark.skipif(
    sanitizer() != "none", reason="an app's plain program does not link with an instrumented library")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PANDO_")}


def new_app(tmp_path):
    subprocess.run([PANDO, "new", "notes"], cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    return tmp_path / "notes"


def wrapper(tmp_path, name, program, before="", after=""):
    """A program that does something before or after the real one reads its input."""
    path = tmp_path / name
    path.write_text(f'#!/bin/sh\n{before}\n"{program}" "$@" || exit\n{after}\n')
    path.chmod(0o755)
    return path


def make(app, *args):
    return subprocess.run(["make", "-s", *args], cwd=app, env=ENVIRONMENT, capture_output=True, text=True)


def test_a_source_saved_while_it_is_compiled(tmp_path):
    app = new_app(tmp_path)
    save = 'case "$*" in *-c*notes/notes.c*) [ -e saved ] || { : >saved; sleep 0.1; echo >>modules/notes/notes.c; };; esac'
    cc = wrapper(tmp_path, "cc", "cc", after=save)
    first = make(app, f"PANDO={PANDO}", f"CC={cc}")
    assert first.returncode == 0 and (app / "saved").exists(), first.stderr
    again = make(app, "-q", f"PANDO={PANDO}", f"CC={cc}")
    assert again.returncode == 1, "make thinks that all is up to date"
    make(app, f"PANDO={PANDO}", f"CC={cc}")
    assert make(app, "-q", f"PANDO={PANDO}", f"CC={cc}").returncode == 0


def test_sql_saved_while_gen_reads_it(tmp_path):
    app = new_app(tmp_path)
    save = '[ "$1" != gen ] || [ -e saved ] || { : >saved; sleep 0.1; printf -- "-- name: all :many\\nselect * from ' \
        'notes_note where user_id = :user_id order by id limit 9;\\n" >>modules/notes/queries.sql; }'
    pando = wrapper(tmp_path, "pando", PANDO, after=save)
    first = make(app, f"PANDO={pando}")
    assert first.returncode == 0, first.stderr
    assert "notes_all" not in (app / "build/gen/notes_sql.h").read_text()
    second = make(app, f"PANDO={pando}")
    assert second.returncode == 0, second.stderr
    assert "notes_all" in (app / "build/gen/notes_sql.h").read_text()


def test_two_builds_at_the_same_time(tmp_path):
    app = new_app(tmp_path)
    assert make(app, f"PANDO={PANDO}").returncode == 0
    pando = wrapper(tmp_path, "pando", PANDO, after='[ "$1" != gen ] || sleep 0.3')
    for name in ("queries.sql", "notes.c"):
        (app / "modules/notes" / name).touch()
    builds = [subprocess.Popen(["make", "-s", f"PANDO={pando}"], cwd=app, env=ENVIRONMENT, stderr=subprocess.PIPE)
              for _ in range(2)]
    errors = [b.communicate()[1].decode() for b in builds]
    assert [b.returncode for b in builds] == [0, 0], errors
