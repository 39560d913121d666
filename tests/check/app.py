"""Builds an app as far as `pando check` needs it: generated C, objects, compile_commands.json."""
import json
import os
import pathlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
PANDO = BUILD / "src/cli/pando"
CODE = re.compile(r"(0:)?(PD-[A-Z]+-\d+)")


class App:
    def __init__(self, folder, name=None, cc="cc", flags=("-O2", "-g", "-fPIC")):
        self.folder = pathlib.Path(folder)
        self.cc, self.flags = cc, flags
        if name:
            shutil.copytree(ROOT / "tests/check" / name, self.folder)

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self

    def build(self):
        gen = self.folder / "build/gen"
        made = subprocess.run([PANDO, "gen", "--app", ".", "--name", "app", "--out", "build/gen"],
                              cwd=self.folder, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        commands = []
        for source in sorted(self.folder.rglob("*.c")):
            file = source.relative_to(self.folder)
            output = f"build/{str(file).replace('/', '_')}.o"
            command = [self.cc, "-std=gnu17", "-D_GNU_SOURCE", *self.flags, "-I.", "-Imodules", "-Ibuild/gen",
                       f"-I{ROOT}/include", "-MMD", "-o", output, "-c", str(file)]
            commands.append({"directory": str(self.folder), "file": str(file), "output": output,
                             "command": " ".join(command)})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in pool.map(self.compile, commands):
                assert done.returncode == 0, done.stderr
        self.write("compile_commands.json", json.dumps(commands))
        assert gen.exists()
        return self

    def compile(self, entry):
        return subprocess.run(entry["command"].split(), cwd=self.folder, capture_output=True, text=True)

    def check(self, *options, json_out=True):
        run = subprocess.run([PANDO, "check", "--no-build", *(["--json"] if json_out else []), *options],
                             cwd=self.folder, capture_output=True, text=True)
        if not json_out:
            return run
        assert run.returncode in (0, 1), run.stderr
        assert run.stdout, run.stderr
        report = json.loads(run.stdout)
        assert (run.returncode == 1) == (report["errors"] > 0)
        return report

    def planted(self):
        """(file, line, code) of every mark `//! CODE …`, `-- ! CODE …` or `; ! CODE …`, sorted."""
        marks = []
        for file in sorted(self.folder.rglob("*.*")):
            if file.suffix not in (".c", ".h", ".list", ".sql", ".conf") or "build" in file.parts:
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = re.search(r"(//!|-- !|; !)(.*)", line)
                for zero, code in CODE.findall(found.group(2)) if found else []:
                    marks.append((str(file.relative_to(self.folder)), 0 if zero else number, code))
        return sorted(marks)


def found(report):
    return sorted((f["file"], f["line"], f["code"]) for f in report["findings"])
