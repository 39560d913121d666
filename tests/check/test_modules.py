"""`pando modules`: the graph of modules, as checked."""
import json
import subprocess
import xml.etree.ElementTree as ElementTree

from app import PANDO, App


def modules(app, *options):
    return subprocess.run([PANDO, "modules", "--no-build", *options], cwd=app.folder, capture_output=True, text=True)


def test_who_uses_whom(tmp_path):
    app = App(tmp_path / "app", "innocent").build()
    text = modules(app)
    assert text.returncode == 0, text.stderr
    assert [line.split() for line in text.stdout.splitlines()] == [["shop", "stock"], ["stock"]]

    shop, stock = json.loads(modules(app, "--json").stdout)["modules"]
    assert (shop["name"], shop["level"], stock["name"], stock["level"]) == ("shop", 1, "stock", 0)
    (edge,) = shop["uses"]
    line = (app.folder / edge["file"]).read_text().splitlines()[edge["line"] - 1]
    assert edge["module"] == "stock" and "stock" in line and line.startswith("#include")
    assert shop["rows_of"] == [{"column": "shop_item.owner_id", "module": "stock"}]

    svg = ElementTree.fromstring(modules(app, "--svg").stdout)
    names = [e.text for e in svg.iter("{http://www.w3.org/2000/svg}text")]
    boxes = {t: int(r.get("y")) for t, r in zip(names, svg.iter("{http://www.w3.org/2000/svg}rect"))}
    assert sorted(names) == ["shop", "stock"] and boxes["shop"] < boxes["stock"]
    assert len([p for p in svg.iter("{http://www.w3.org/2000/svg}path") if p.get("class")]) == 1


def test_a_ring_is_drawn_and_told(tmp_path):
    app = App(tmp_path / "app", "planted").build()
    run = modules(app)
    assert run.returncode == 1 and "remedy: see `pando check`" in run.stderr
    assert len(run.stdout.splitlines()) == 6
