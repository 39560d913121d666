"""An app outside of the tree, built against what is installed: by app.mk, by pkg-config, by CMake."""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT, call

HELLO = (ROOT / "examples" / "hello" / "hello.c")
MORE = os.environ.get("LDLIBS_EXTRA", "")  # what a library built to be measured needs (scripts/coverage)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """What `meson install` puts into a folder: the prefix is /usr/local in there, so it has been moved."""
    dest = tmp_path_factory.mktemp("dest")
    done = call("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", dest)
    assert done.code == 0, done.all
    return dest / "usr" / "local"


def test_an_app_builds_against_it_and_its_tests_are_green(prefix, tmp_path):
    env = {"PATH": f"{prefix}/bin:{os.environ['PATH']}"}
    assert call("pando", "new", "outside", cwd=tmp_path, **env).code == 0
    share = call("pando", "share", **env).out.strip()
    assert share == str(prefix / "share" / "pando")
    done = call("make", "V=1", cwd=tmp_path / "outside", **env)
    assert done.code == 0, done.all
    assert "warning" not in done.all, done.all
    assert str(ROOT) not in done.all, "the build used the source tree"
    done = call("make", "test", cwd=tmp_path / "outside", **env)
    assert done.code == 0, done.all


def test_what_runs_is_built_without_the_packages_of_tests(tmp_path):
    """`make run` and `make install` on a system that has those of `scripts/deps run` alone."""
    done = call("meson", "setup", "-Dtests=disabled", tmp_path / "build", ROOT)
    assert done.code == 0, done.all
    compiled = {(tmp_path / "build" / c["file"]).resolve() for c in json.loads((tmp_path / "build/compile_commands.json").read_text())}
    assert any(f.name == "serve.c" for f in compiled)
    wants = [str(f) for f in compiled if f.exists() and "cmocka.h" in f.read_text()]
    assert not wants


def runs(program):
    done = subprocess.run([program, "version"], capture_output=True, text=True, env={})
    assert done.stdout == "hello 1\n", done.stderr


def test_pkg_config_is_enough(prefix, tmp_path):
    pc = next(prefix.rglob("pando.pc")).parent
    asked = call("pkg-config", "--cflags", "--libs", "pando", PKG_CONFIG_PATH=str(pc),
                 PKG_CONFIG_SYSROOT_DIR=str(prefix.parents[1]))
    assert asked.code == 0, asked.all
    flags = asked.out.split()
    done = call("cc", HELLO, "-o", tmp_path / "hello", *flags, *MORE.split())
    assert done.code == 0, done.all
    runs(tmp_path / "hello")


def test_cmake_finds_it(prefix, tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("cmake is not installed")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(hello C)\nset(CMAKE_C_STANDARD 17)\n"
        "find_package(pando 0.1 REQUIRED)\n"
        f"add_executable(hello {HELLO})\ntarget_link_libraries(hello pando::pando)\n")
    done = call("cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_EXE_LINKER_FLAGS={MORE}", cwd=tmp_path)
    assert done.code == 0, done.all
    done = call("cmake", "--build", "build", cwd=tmp_path)
    assert done.code == 0, done.all
    runs(tmp_path / "build" / "hello")


def test_every_header_stands_alone_and_is_clean(prefix, tmp_path):
    for header in sorted((prefix / "include" / "pando").glob("*.h")):
        done = call("cc", "-std=gnu17", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror",
                    f"-I{prefix}/include", "-fsyntax-only", "-x", "c", "-include", f"pando/{header.name}", "/dev/null")
        assert done.code == 0, done.all


def test_completions_lie_where_shells_look(prefix):
    for name in ("bash-completion/completions/pando", "zsh/site-functions/_pando", "fish/vendor_completions.d/pando.fish"):
        assert (prefix / "share" / name).stat().st_size > 500, name


def test_what_is_installed_is_all_that_is_built():
    """`scripts/install` builds by name: nothing of FinFlow, which is not installed."""
    text = (ROOT / "scripts" / "install").read_text()
    targets = re.search(r"ninja -C \S+ ((?:.|\\\n)*?)\n(?!    )", text).group(1).replace("\\\n", " ").split()
    asked = subprocess.run(["ninja", "-C", BUILD, "-t", "inputs", *targets], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "src/cli/main.c" in asked.stdout and "finflow" not in asked.stdout
