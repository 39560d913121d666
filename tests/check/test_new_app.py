"""An app made by `pando new`, built with make: nothing is found, and what is private does not link."""
import os
import shutil
import subprocess

from app import PANDO, ROOT

ENV = {**os.environ, "PATH": f"{PANDO.parent}:{os.environ['PATH']}"}


def run(folder, *command):
    return subprocess.run(command, cwd=folder, env=ENV, capture_output=True, text=True)


def append(file, text):
    file.write_text(file.read_text() + text)


def test_the_example_of_the_pages(tmp_path):
    shelf = shutil.copytree(ROOT / "examples/shelf", tmp_path / "shelf")
    checked = run(shelf, "pando", "check")
    assert checked.returncode == 0, checked.stderr


def test_a_new_app(tmp_path):
    assert run(tmp_path, "pando", "new", "shop").returncode == 0
    shop = tmp_path / "shop"
    for made in ("resource product name:text price:money", "resource purchase product:ref amount:int", "module reports"):
        generated = run(shop, "pando", "generate", *made.split())
        assert generated.returncode == 0, generated.stderr
    checked = run(shop, "pando", "check")
    assert checked.returncode == 0, checked.stderr
    assert "0 errors, 0 known" in checked.stdout

    append(shop / "modules/people/people.c", "int people_secret(int n);\nint people_secret(int n)\n{\n    return n;\n}\n")
    append(shop / "modules/site/site.c", "extern int people_secret(int n);\nint site_x(void);\n"
                                         "int site_x(void)\n{\n    return people_secret(3);\n}\n")
    line = (shop / "modules/site/site.c").read_text().splitlines().index("    return people_secret(3);") + 1
    built = run(shop, "make")
    assert built.returncode != 0 and "undefined reference to `people_secret\'" in built.stderr
    assert f'modules/site/site.c:{line}: error PD-CHECK-054: "people_secret" is private to module people' in built.stderr
    checked = run(shop, "pando", "check")
    assert checked.returncode == 1
    assert f'modules/site/site.c:{line}: error PD-CHECK-054: "people_secret" is private to module people' in checked.stderr

    append(shop / "modules/people/people.h", "int people_secret(int n);\n")  # made public: it links
    assert run(shop, "make").returncode == 0
    assert run(shop, "pando", "check").returncode == 0
