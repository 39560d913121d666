"""What the tests of the tool share: the tool of this build, and an app made by it.

PANDO_BUILD is the build folder; src/libpando-asan.a must have been built there (scripts/test cli does it).
"""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
TOOL = BUILD / "src" / "cli" / "pando"


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.all = done.stdout + done.stderr


def call(*argv, cwd=None, timeout=600, **env):
    """Runs a program with the tool in PATH; make is not told how many jobs to run by whoever runs us."""
    own = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PANDO_BUILD", "BUILD")}
    own["PATH"] = f"{TOOL.parent}:{own['PATH']}"
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env={**own, **env}, capture_output=True, text=True,
                          timeout=timeout)
    return Result(done)


def pando(*argv, **how):
    return call(TOOL, *argv, **how)


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A new app with two resources, the second referring to the first, a module and two pages."""
    folder = tmp_path_factory.mktemp("apps")
    assert pando("new", "my-shop", cwd=folder).code == 0
    app = folder / "my-shop"
    for words in (
        "resource product name:text price:money sold_at:ts:optional active:bool stock:int:optional "
        "since:date code:uuid note:text:optional",
        "resource order product:ref amount:int other:ref(products_product):optional due:money:optional",
        "module reports",
        "page about",
        "page notes/archive",
    ):
        done = pando("generate", *words.split(), cwd=app)
        assert done.code == 0, done.all
        assert "to do" not in done.out, done.out
    return app
