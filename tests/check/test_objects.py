"""Objects, commands and settings that are not as they should be: told with a remedy, and never a crash."""
import json
import os
import random
import shutil
import subprocess

import pytest

from app import PANDO, App, found

WRONG = 30  # damaged objects of each kind; more by hand: WRONG=1000


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return App(tmp_path_factory.mktemp("built") / "app", "innocent").build()


def copied(built, tmp_path):
    app = App(shutil.copytree(built.folder, tmp_path / "app"))
    commands = (app.folder / "compile_commands.json").read_text()
    app.write("compile_commands.json", commands.replace(str(built.folder), str(app.folder)))
    return app


def check(app, *options, **env):
    return subprocess.run([PANDO, "check", "--no-build", *options], cwd=app.folder, capture_output=True, text=True,
                          errors="replace", timeout=60, env={**os.environ, **env})  # a damaged name is shown as it is


def seal(app, *words, **env):
    return subprocess.run([PANDO, "seal", *map(str, words)], cwd=app.folder, capture_output=True, text=True,
                          errors="replace", timeout=60, env={**os.environ, **env})  # ld names what is damaged


def damaged(whole, seed):
    """Cut off, or with a few bytes of its headers, tables or anywhere overwritten."""
    r, bytes_ = random.Random(seed), bytearray(whole)
    if seed % 3 == 0:
        return bytes(bytes_[:r.randrange(len(bytes_))])
    for _ in range(r.randrange(1, 30)):
        at = r.randrange(64) if seed % 3 == 1 and r.random() < 0.3 else r.randrange(len(bytes_))
        bytes_[at] = r.choice([0, 0xff, 0x7f, r.randrange(256)])
    return bytes(bytes_)


@pytest.mark.parametrize("cc", ["gcc", "clang-14"])
def test_damaged_objects_never_crash_the_check(built, tmp_path, cc):
    app = App(tmp_path / "app", "innocent", cc).build()
    object_ = app.folder / "build/modules_shop_state.c.o"
    whole = object_.read_bytes()
    for seed in range(int(os.environ.get("WRONG", WRONG))):
        object_.write_bytes(damaged(whole, seed))
        done = check(app)
        assert done.returncode in (0, 1), f"seed {seed}: {done.returncode} {done.stderr}"
        assert done.returncode == 0 or "remedy: " in done.stderr, f"seed {seed}: {done.stderr}"


def test_damaged_objects_never_crash_the_seal(built, tmp_path):
    app = copied(built, tmp_path)
    whole = (app.folder / "build/modules_shop_load.c.o").read_bytes()
    wrong = app.folder / "wrong.o"
    for seed in range(int(os.environ.get("WRONG", WRONG))):
        wrong.write_bytes(damaged(whole, seed))
        done = seal(app, "--module", "shop", "--out", "out.o", wrong)
        assert done.returncode >= 0, f"seed {seed}: {done.returncode}"
        assert done.returncode == 0 or done.stderr, f"seed {seed}"
        assert [f.name for f in app.folder.glob("out.o*")] in ([], ["out.o"])


def test_a_sealed_object_keeps_what_is_public(built, tmp_path):
    app = copied(built, tmp_path)
    done = seal(app, "--module", "shop", "--out", app.folder / "out.o", *sorted((app.folder / "build").glob("modules_shop_*.o")))
    assert done.returncode == 0, done.stderr
    # shop_owner_name, shop_load and the statements are private; what ends in _shape is taken for one
    names = subprocess.run(["nm", "-g", "--defined-only", "out.o"], cwd=app.folder, capture_output=True, text=True).stdout
    assert {line.split()[2] for line in names.splitlines()} == {"shop_module", "shop_total", "shop_shape"}


@pytest.mark.parametrize("words, says", [
    (["--out", "o", "x.o"], "it needs --module and --out"),
    (["--module", "nothing", "--out", "o", "x.o"], 'there is no module "nothing"'),
    (["--module", "shop", "--out", "o", "absent.o"], "cannot open absent.o"),
    (["--module", "shop", "--out", "o", "app.c"], "app.c is no object"),
    (["--module", "shop", "--out", "no/such/place.o", "build/app.c.o"], "no/such"),
    (["--app", "/nonexistent", "--module", "shop", "--out", "o", "x.o"], "nonexistent"),
])
def test_what_cannot_be_sealed_is_told(built, tmp_path, words, says):
    app = copied(built, tmp_path)
    done = seal(app, *words)
    assert done.returncode > 0 and says in done.stderr, done.stderr
    assert not (app.folder / "o").exists()


@pytest.mark.parametrize("there, says", [([], "cannot run ld"), (["ld"], "cannot run objcopy"), (["ld", "objcopy"], "objcopy failed")])
def test_without_binutils_it_says_so(built, tmp_path, there, says):
    app = copied(built, tmp_path)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in there:
        (bin_ / name).symlink_to(shutil.which(name) if name == "ld" else "/bin/false")
    done = seal(app, "--module", "shop", "--out", "o", "build/modules_shop_load.c.o", PATH=str(bin_))
    assert done.returncode > 0 and says in done.stderr, done.stderr
    assert not list(app.folder.glob("o*"))


# --- compile_commands.json ------------------------------------------------------------------------------------------

def commands(app):
    return json.loads((app.folder / "compile_commands.json").read_text())


def test_arguments_are_as_good_as_a_command(built, tmp_path):
    app = copied(built, tmp_path)
    entries = commands(app)
    for e in entries:
        e["arguments"] = [*e.pop("command").split(), "-DQUOTED=\"a b\""]
        del e["output"]  # it stands behind -o
    app.write("compile_commands.json", json.dumps(entries))
    app.write("modules/shop/extra.c", "int shop_extra;\n")
    assert check(app).returncode == 0
    subprocess.run(["gcc", "-g", "-c", "-o", "build/x.o", "modules/shop/extra.c"], cwd=app.folder, check=True)
    entries.append({"directory": str(app.folder), "file": "modules/shop/extra.c",
                    "arguments": ["gcc", "-g", "-c", "-o", "build/x.o", "modules/shop/extra.c"]})
    app.write("compile_commands.json", json.dumps(entries))
    assert found(app.check()) == [("modules/shop/extra.c", 1, "PD-CHECK-010")]


def test_quotes_and_wrappers_of_a_command(built, tmp_path):
    app = copied(built, tmp_path)
    entries = commands(app)
    wrapper = tmp_path / "ccache"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    for e in entries:
        e["command"] = f"{wrapper} " + e["command"].replace(" -c ", " -DA=\"\\\"x y\\\"\" -DB='c\"d' -D\\ C -MF some.d -Wp,-MD,x.d -c ", 1)
    entries.append({**entries[0], "output": "build/elsewhere.o"})  # compiled twice
    entries[0]["output"] = "build/absent.o"
    app.write("compile_commands.json", json.dumps(entries))
    shutil.copy(app.folder / "build" / (entries[0]["file"].replace("/", "_") + ".o"), app.folder / "build/elsewhere.o")
    entries = [{**e, "command": e["command"].replace(" -D\\ C", "")} for e in entries]
    app.write("compile_commands.json", json.dumps(entries))
    done = check(app)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, says", [
    (None, "compile_commands.json cannot be read"),
    ("[", "compile_commands.json"),
    ("[]", "names no source of this app"),
    ('[{"directory": "/", "file": "/etc/x.c", "command": "cc -c x.c"}]', "names no source of this app"),
    ('[{"file": 3}]', "compile_commands.json"),
])
def test_wrong_commands_are_told(built, tmp_path, text, says):
    app = copied(built, tmp_path)
    (app.folder / "compile_commands.json").unlink()
    if text:
        app.write("compile_commands.json", text)
    done = check(app)
    assert done.returncode == 1 and says in done.stderr and "remedy: " in done.stderr, done.stderr


def test_an_object_that_is_not_there_is_told(built, tmp_path):
    app = copied(built, tmp_path)
    (app.folder / "build/app.c.o").unlink()
    done = check(app)
    assert done.returncode == 1 and "no object of app.c" in done.stderr and "remedy: build the app" in done.stderr


def test_a_source_that_the_compiler_refuses_now_is_told(built, tmp_path):
    app = copied(built, tmp_path)
    app.write("app.c", "#error changed\n")
    done = check(app)
    assert done.returncode == 1 and "the preprocessor refuses app.c" in done.stderr and "remedy: " in done.stderr


def test_a_compiler_that_is_gone_is_told(built, tmp_path):
    app = copied(built, tmp_path)
    entries = commands(app)
    for e in entries:
        e["command"] = "/nonexistent/cc" + e["command"][e["command"].index(" "):]
    app.write("compile_commands.json", json.dumps(entries))
    done = check(app)
    assert done.returncode == 1 and "cannot run the compiler for" in done.stderr


def test_without_make_it_says_so(built, tmp_path):
    app = copied(built, tmp_path)
    done = subprocess.run([PANDO, "check"], cwd=app.folder, capture_output=True, text=True, env={"PATH": "/nonexistent"})
    assert done.returncode == 1 and "cannot run make" in done.stderr and "remedy: apt-get install make" in done.stderr


# --- module.conf ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, line, says", [
    ("uses = shop\n", 1, "a module does not use itself"),
    ("\nuses = nobody\n", 2, "there is no module"),
    ("[part]\nuses = stock\n", 1, "there are no sections here"),
    ("color = red\n", 1, "unknown setting"),
    ("uses\n", 1, "cannot read"),
])
def test_a_wrong_setting_is_told_at_its_line(built, tmp_path, text, line, says):
    app = copied(built, tmp_path).write("modules/shop/module.conf", text)
    wrong = [f for f in app.check()["findings"] if f["code"] == "PD-CHECK-003"]
    assert wrong and wrong[0]["file"] == "modules/shop/module.conf" and wrong[0]["line"] == line, wrong
    assert says in wrong[0]["message"] and wrong[0]["remedy"], wrong
