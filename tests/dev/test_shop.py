"""`pando dev` on an app as `pando new` makes it: saving, errors, crashes, ending."""
import os
import signal
import socket
import subprocess
import threading
import time

import httpx
from clients import Load
from conftest import HTML, PANDO, alive, line_of, script_tag, until

SITE = "modules/site/site.c"
HOME = "modules/site/templates/home.html"
SAVES = 8


def clients(url):
    """One that reads on one connection, one that reads on new ones, and one that posts."""
    kept = httpx.Client(base_url=url, timeout=60)
    asks = [lambda: kept.get("/version"), lambda: httpx.get(url + "/version", timeout=60),
            lambda: httpx.post(url + "/version", content=b"x", timeout=60)]
    return [(ask, lambda answer: answer.status_code == 200 and answer.text.startswith("v")) for ask in asks]


def test_saves_under_load_fail_no_request(shop):
    shop.start()
    with Load(*clients(shop.url)) as load:
        for i in range(SAVES):
            shop.edit(SITE, f'"v{i}"', f'"v{i + 1}"')
            until(lambda: shop.get("/version").text == f"v{i + 1}")
            load.wait_for_answers()
    assert load.failed == []


def test_a_page_gets_the_script_and_a_save_tells_it(shop):
    shop.start()
    page = shop.get("/", headers=HTML)
    tag = script_tag(page.text)
    assert tag and int(page.headers["content-length"]) == len(page.content)
    assert page.headers["cache-control"] == "no-store"
    states = shop.states()
    first = states.seen[0]["build"]
    assert first in tag.group(0)
    shop.edit(HOME, " is running</h1>", " is fresh</h1>")
    until(lambda: states.seen[-1]["state"] == "ready" and states.seen[-1]["build"] != first)
    page = shop.get("/", headers=HTML)
    assert " is fresh</h1>" in page.text and states.seen[-1]["build"] in page.text
    assert "EventSource" in shop.get("/_pando/dev.js").text
    assert "overlay" in shop.get("/_pando/dev.css").text
    head = httpx.head(shop.url + "/", headers=HTML)
    assert head.status_code == 200 and head.text == ""


def test_build_errors_and_warnings_come_and_go(shop):
    shop.start()
    states = shop.states()
    shop.edit(SITE, 'PD_STR(VERSION));', 'PD_STR(VERSION))')
    failed = states.wait("failed")
    error = failed["problems"][0]
    assert (error["file"], error["severity"]) == (SITE, "error") and "expected" in error["message"]
    assert error["line"] == line_of(shop, SITE, 'PD_STR(VERSION))') and "VERSION" in error["excerpt"]
    page = shop.get("/", headers=HTML)
    assert page.status_code == 200 and script_tag(page.text)  # the last good program answers
    n = len(states.seen)
    shop.edit(SITE, 'PD_STR(VERSION))', 'PD_STR(VERSION)); int unused_one;')
    warned = states.wait("ready", n)
    assert [p["severity"] for p in warned["problems"]] == ["warning"] and "unused_one" in warned["problems"][0]["message"]
    n = len(states.seen)
    shop.edit(HOME, "{{", "{{nosuch.")
    broken = states.wait("failed", n)["problems"][0]
    assert broken["file"] == HOME and broken["code"].startswith("PD-VIEW-") and broken["line"] > 0
    n = len(states.seen)
    shop.edit(HOME, "{{nosuch.", "{{")
    shop.edit(SITE, " int unused_one;", "")
    assert states.wait("ready", n)["problems"] == []


def test_a_first_build_that_fails_is_a_page(shop):
    shop.edit(SITE, "return pd_text", "retrun pd_text")
    shop.start(wait=False)
    page = shop.get("/", headers=HTML)
    line = line_of(shop, SITE, "retrun")
    assert page.status_code == 503 and f"{SITE}:{line}" in page.text and "retrun" in page.text
    assert 'data-report="build"' in page.text
    problem = shop.get("/")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["problems"][0]["line"] == line
    shop.edit(SITE, "retrun pd_text", "return pd_text")
    until(lambda: shop.get("/version").text == "v0")


def test_a_crash_is_a_page_and_the_next_request_works(shop):
    shop.edit(SITE, '"v0"', '"v0" ""')  # compiled here, so that its debug information names this folder
    shop.start()
    line = line_of(shop, SITE, "/* CRASH */")
    page = shop.get("/crash?a=<b>", headers=HTML)
    assert page.status_code == 500, page.text
    assert f"{SITE}:{line}" in page.text and "SIGSEGV" in page.text and "show_crash" in page.text
    assert "curl" in page.text and f"{shop.port}/crash" in page.text and "<b>" not in page.text
    assert shop.get("/version").text == "v0"
    problem = shop.get("/crash")
    assert problem.status_code == 500 and problem.headers["content-type"] == "application/problem+json"
    body = problem.json()
    assert "SIGSEGV" in body["detail"] and "curl" in body["curl"]
    assert {"file": SITE, "line": line, "function": "show_crash"} in body["frames"]
    assert shop.get("/version").text == "v0"


def test_a_crash_while_a_template_renders_names_its_line(shop):
    shop.edit(SITE, '"v0"', '"v0" ""')
    template = "modules/site/templates/error.html"
    shop.edit(template, "{{detail}}", "<i>{{detail}}</i>")  # compiled here
    shop.start()
    line = line_of(shop, template, "{{detail}}")
    page = shop.get("/wild", headers=HTML)
    assert page.status_code == 500, page.text
    assert f"{template}:{line}" in page.text and "{{detail}}" in page.text
    frames = shop.get("/wild").json()["frames"]
    assert {"file": template, "line": line, "function": "site_error_write"} in frames


def test_every_way_to_die_is_a_page(shop):
    shop.edit(SITE, '"v0"', '"v0" ""')
    shop.start()
    failed = shop.get("/assert").json()
    assert "assertion failed" in failed["detail"] and f"{SITE}" in str(failed["frames"]), failed
    assert shop.get("/version").text == "v0"
    ended = shop.get("/exit")
    assert ended.status_code == 500 and "code 3" in ended.json()["detail"]
    assert shop.get("/version").text == "v0"


def test_the_port_may_stand_in_the_settings(shop):
    conf = shop.dir / "pando.conf"
    conf.write_text(conf.read_text() + f"\nPORT = {shop.port}\n")
    shop.start(options=())
    assert shop.get("/version").text == "v0"


def test_who_flies_beside_a_crash_gets_the_answer(shop):
    shop.start()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(shop.get("/slow"))) for _ in range(5)]
    for t in threads:
        t.start()
    time.sleep(0.1)
    assert shop.get("/crash").status_code == 500
    for t in threads:
        t.join()
    assert [a.text for a in answers] == ["v0"] * 5


def test_a_killed_program_comes_back(shop):
    shop.start()
    for _ in range(2):
        pid = shop.program()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        assert shop.get("/version").text == "v0"


def test_big_uploads_stream_through(shop):
    shop.start()
    block = os.urandom(1 << 20)
    sized = httpx.post(shop.url + "/upload", content=block * 20, timeout=60)
    assert sized.text == str(20 << 20)
    chunked = httpx.post(shop.url + "/upload", content=(block for _ in range(20)), timeout=60)
    assert chunked.text == str(20 << 20)


def test_new_files_and_settings_are_seen(shop):
    shop.start()
    states = shop.states()
    n = len(states.seen)
    shop.write("modules/site/extra/late.c", "int this_is_wrong = ;\n")
    problem = states.wait("failed", n)["problems"][0]
    assert problem["file"] == "modules/site/extra/late.c" and problem["line"] == 1
    n = len(states.seen)
    (shop.dir / "modules/site/extra/late.c").unlink()
    states.wait("ready", n)
    pid = shop.program()
    shop.write("pando.conf", (shop.dir / "pando.conf").read_text() + "\nLOG_LEVEL = nonsense\n")
    until(lambda: shop.get("/version").status_code == 503)
    page = shop.get("/version", headers=HTML)
    assert "does not start" in page.text and "LOG_LEVEL" in page.text and not alive(pid)
    shop.edit("pando.conf", "\nLOG_LEVEL = nonsense\n", "\n")
    until(lambda: shop.get("/version").text == "v0")


def test_what_does_not_matter_starts_no_build(shop):
    shop.start()
    states = shop.states()
    n = len(states.seen)
    for name in ("modules/site/.site.c.swp", "modules/site/site.c~", "build/x.c", "var/x.c", ".git/index", "notes.md"):
        shop.write(name, "x")
    shop.edit(SITE, '"v0"', '"v1"')
    until(lambda: shop.get("/version").text == "v1")
    assert len([s for s in states.seen[n:] if s["state"] == "building"]) == 1


def test_ctrl_c_ends_everything(shop):
    shop.start()
    states = shop.states()
    pid = shop.program()
    shop.process.send_signal(signal.SIGINT)
    assert shop.process.wait(10) == 0
    assert not alive(pid)
    states.thread.join(10)
    assert not states.thread.is_alive()


def test_the_program_dies_with_its_supervisor(shop):
    shop.start()
    pid = shop.program()
    shop.process.kill()
    shop.process.wait()
    until(lambda: not alive(pid))


def test_wrong_starts_are_told_in_a_line(shop, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", shop.port))
        s.listen()
        said = subprocess.run([PANDO, "dev", "--port", str(shop.port)], cwd=shop.dir, capture_output=True, text=True)
    assert said.returncode != 0 and len(said.stderr.splitlines()) == 2
    assert str(shop.port) in said.stderr and "--port" in said.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    said = subprocess.run([PANDO, "dev"], cwd=empty, capture_output=True, text=True)
    assert said.returncode != 0 and "Makefile" in said.stderr and "pando new" in said.stderr
    said = subprocess.run([PANDO, "dev", "--port", "many"], cwd=shop.dir, capture_output=True, text=True)
    assert said.returncode != 0 and "many" in said.stderr


def test_a_build_that_writes_into_its_own_folder_does_not_hold_pages_back(shop):
    makefile = shop.dir / "Makefile"
    makefile.write_text(makefile.read_text() + "\nbuild: stray\nstray:\n\t@date +%N > stray.txt\n.PHONY: stray\n")
    shop.start()
    shop.edit(SITE, '"v0"', '"v1"')
    until(lambda: shop.get("/version").text == "v1")


def test_a_program_that_never_gets_ready_is_given_up_for_a_newer_one(shop):
    text = (shop.dir / "main.c").read_text()
    shop.write("main.c", text.replace("int main(", "#include <unistd.h>\n__attribute__((constructor)) static void hang(void)\n{\n"
                                                   "    pause();\n}\nint main(", 1))
    shop.start(wait=False)
    until(lambda: shop.program())
    shop.write("main.c", text)
    until(lambda: shop.get("/version").text == "v0")


def test_a_sanitizers_report_is_a_page(shop):
    shop.edit(SITE, "    *nowhere = 1; /* CRASH */",
              "    nowhere = malloc(4);\n    free((void *)nowhere);\n    *nowhere = 1; /* CRASH */")
    shop.start(MODE="asan")
    line = line_of(shop, SITE, "/* CRASH */")
    page = shop.get("/crash?it's", headers=HTML)
    assert page.status_code == 500 and "heap-use-after-free" in page.text, page.text
    assert f"{SITE}:{line}" in page.text and f"&gt;{line:5} |" in page.text
    assert f"curl -i -X GET 'http://127.0.0.1:{shop.port}/crash?it'\\''s'" in page.text
    assert shop.get("/version").text == "v0"


def test_a_module_that_is_not_listed_is_a_warning(shop):
    shop.start()
    states = shop.states()
    n = len(states.seen)
    shop.edit("app.c", "    &notes_module,\n", "")
    warned = states.wait("ready", n)["problems"]
    assert [(p["severity"], p["code"], p["file"]) for p in warned] == [("warning", "PD-CHECK-058", "modules/notes/notes.c")]
    assert warned[0]["line"] == line_of(shop, "modules/notes/notes.c", "notes_module") and "MODULES in app.c" in warned[0]["remedy"]
    until(lambda: "PD-CHECK-058" in shop.log_text())
    n = len(states.seen)
    shop.edit("app.c", "    &site_module,\n", "    &site_module,\n    &notes_module,\n")
    assert states.wait("ready", n)["problems"] == []
