"""The tool itself: help, mistakes in the command line, doctor, completion."""
import shutil
import subprocess

import pytest

from conftest import TOOL, pando

COMMANDS = [line.split()[0] for line in pando("help").out.splitlines()
            if line.startswith("  ") and not line.startswith("   ")]


def test_help_lists_the_commands_and_each_has_help_with_examples():
    assert {"new", "generate", "build", "test", "routes", "migrate", "gen", "doctor", "completion"} <= set(COMMANDS)
    for name in COMMANDS:
        done = pando(name, "--help")
        assert done.code == 0, name
        assert f"usage: pando {name}" in done.out
        assert "\n  " in done.out, f"{name}: no examples"
        assert pando("help", name).out == done.out


@pytest.mark.parametrize("words, says", [
    (["generat"], "did you mean generate?"),
    (["tset"], "did you mean test?"),
    (["xyzzy"], "see `pando help`"),
    (["gen", "--ap", "x"], "did you mean --app?"),
    (["build", "--relase"], "did you mean --release?"),
    (["gen", "--app"], "--app needs a value"),
    (["new"], "usage" if False else "remedy: pando new NAME"),
    (["new", "a", "b"], '"b" is too much'),
    (["completion", "tcsh"], '"tcsh" is not known'),
    (["build", "--release=yes"], "takes no value"),
    (["db", "moev"], "it is move"),
    (["db", "move"], "pando db move sqlite:PATH"),
])
def test_a_wrong_command_line_names_the_remedy(words, says, tmp_path):
    done = pando(*words, cwd=tmp_path)
    assert done.code == 2
    assert says in done.err, done.err
    assert done.out == ""


def test_outside_of_an_app_it_says_so(tmp_path):
    for words in (["build"], ["test"], ["routes"], ["migrate"], ["db", "move", "sqlite:x.db"]):
        done = pando(*words, cwd=tmp_path)
        assert done.code == 66 and "not in an app" in done.err and "pando new" in done.err


# --- doctor -------------------------------------------------------------------------------------

def doctor(tmp_path, release):
    file = tmp_path / "os-release"
    file.write_text(release)
    return subprocess.run([TOOL, "doctor", "--missing", "--os-release", file], env={"PATH": str(tmp_path)},
                          capture_output=True, text=True)


@pytest.mark.parametrize("release, says", [
    ("ID=debian\n", "apt-get install --no-install-recommends make gcc"),
    ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt-get install --no-install-recommends make gcc"),
    ("ID=fedora\n", "dnf install make gcc"),
    ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install make gcc"),
    ("ID=arch\n", "pacman -S --needed make gcc"),
    ("ID=alpine\n", "apk add make gcc"),
    ("ID=plan9\n", "install what provides make cc"),
])
def test_doctor_names_what_is_missing_for_this_distribution(tmp_path, release, says):
    done = doctor(tmp_path, release)
    assert done.returncode == 1
    assert "MISSING  make" in done.stdout and says in done.stdout, done.stdout


def test_doctor_finds_missing_headers_by_the_compiler(tmp_path):
    cc = tmp_path / "cc"  # a compiler that has no libraries
    cc.write_text("#!/bin/sh\nread line\ncase $line in *stdio*) exit 0;; esac\nexit 1\n")
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\n")
    for program in (cc, make):
        program.chmod(0o755)
    done = doctor(tmp_path, "ID=debian\n")
    assert "libsqlite3-dev libpq-dev libsodium-dev libinih-dev" in done.stdout, done.stdout
    assert "gcc" not in done.stdout and "libc6-dev" not in done.stdout


def test_doctor_is_content_here():
    done = pando("doctor")
    assert done.code == 0 and "Nothing is missing." in done.out, done.all


# --- completion ---------------------------------------------------------------------------------

@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_parses_in_its_shell(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "pando"
    file.write_text(pando("completion", shell).out)
    done = subprocess.run([shell, "-n", file], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def bash_completes(*words):
    line = " ".join(words)
    script = (f"source <({TOOL} completion bash); COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
              '[[ "$1" ]] && COMP_WORDS+=(""); ((COMP_CWORD += $1)); _pando; echo "${COMPREPLY[*]}"')
    more = "1" if line.endswith(" ") else "0"
    return subprocess.run(["bash", "-c", script, "bash", more], capture_output=True, text=True).stdout.split()


def test_bash_completes_commands_options_and_kinds():
    assert bash_completes("pando", "gene") == ["generate"]
    assert bash_completes("pando", "gen", "--ap") == ["--app"]
    assert bash_completes("pando", "generate", "res") == ["resource"]


def test_fish_completes_commands():
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = f"{TOOL} completion fish | source; complete -C 'pando gene'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("generate\t"), done.stdout + done.stderr


def test_a_tool_without_its_files_says_so(tmp_path):
    alone = tmp_path / "bin" / "pando"
    alone.parent.mkdir()
    shutil.copy(TOOL, alone)
    done = subprocess.run([alone, "share", "--config"], capture_output=True, text=True)
    assert done.returncode == 66 and "config.mk is missing" in done.stderr and "install pando again" in done.stderr
    moved = tmp_path / "share" / "pando"
    moved.mkdir(parents=True)
    (moved / "app.mk").write_text("")
    (moved / "config.mk").write_text("")
    done = subprocess.run([alone, "share"], capture_output=True, text=True)
    assert done.stdout == f"{moved}\n"
    done = subprocess.run([alone, "share", "--config"], capture_output=True, text=True)
    assert done.stdout == f"{moved}/config.mk\n"
    done = subprocess.run([alone, "explain"], capture_output=True, text=True)
    assert done.returncode == 66 and "explain" in done.stderr and "install pando anew" in done.stderr


def test_gen_needs_to_know_from_where_and_whereto(tmp_path):
    for words, says in ((["gen"], "--app DIR"), (["gen", "--app", "."], "--out DIR")):
        done = pando(*words, cwd=tmp_path)
        assert done.code == 2 and says in done.err, done.all
