"""Pages made of what the programs say about themselves: settings, commands, routes, errors."""
import os
import re
import subprocess

SETTING = re.compile(r'\b(TEXT|INT|SECS|BOOL|SIZE)\("(\w+)", "([^"]*)",\s*"((?:[^"\\]|\\.)*)"(?:,\s*([-\d]+),\s*([-\d]+))?\)'
                     r'\s*\}?(?:,\s*"([\w|]+)")?((?:,\s*\.\w+ = [\w]+)*)', re.S)
KIND = {"TEXT": "text", "INT": "number", "SECS": "seconds", "BOOL": "on or off", "SIZE": "bytes"}


def settings(root):
    """The platform's table, as it stands in the source: name, kind, default, meaning."""
    text = (root / "src/app/config_table.c").read_text()
    text = text[text.index("pd_platform_settings[]"):]
    text = re.sub(r'"\s*\n\s*"', "", text)
    found = SETTING.findall(text)
    if len(found) != text.count(' { TEXT("') + text.count(' { INT("') + text.count(' { SECS("') + text.count(
            ' { BOOL("') + text.count(' { SIZE("'):
        raise ValueError("src/app/config_table.c: a row of the table that tools/docs/generated.py cannot read")
    rows = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    for kind, name, default, meaning, low, high, choices, flags in found:
        value = ", ".join(f"`{c}`" for c in choices.split("|")) if choices else KIND[kind]
        if low and not choices and (low, high) != ("0", "0"):
            value += f" {low}–{high}"
        if "PD_SET_ABSENT" in flags:
            meaning += ". **Not in this version: giving it stops the start**"
        if "PD_SET_SECRET" in flags:
            meaning += ". Never printed"
        rows.append(f"| `{name}` | {value} | {f'`{default}`' if default else ''} | {meaning} |")
    return f"""# Settings

A setting is read from the environment, then from `pando.conf` in the folder where the program starts, then
from its default. An unknown name in `pando.conf`, an unknown `PANDO_…` variable, a value that does not fit, or a
setting that asks for what this version does not have, stops the start with one line that names it. An application
declares its own settings beside these (`struct pd_setting`); `./app --help` lists all of them.

`pando.conf` has one `NAME = value` per line, the names as below.

""" + "\n".join(rows) + "\n"


# The programs refuse PANDO_ variables that they do not know: ours is not theirs.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PANDO_")}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=ENVIRONMENT).stdout.rstrip()


def commands(pando, app):
    """`pando help` and `app --help`, word for word, and the help of each command of the tool."""
    top = output(pando, "help")
    parts = [f"# Commands\n\n## The tool\n\n`pando help` prints:\n\n```text\n{top}\n```\n"]
    for name in re.findall(r"^  ([a-z]+)\s", top, re.M):
        done = subprocess.run([pando, name, "--help"], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
        if done.returncode == 0 and done.stdout.strip() and done.stdout.strip() != top and name not in ("help", "version"):
            parts.append(f"### pando {name}\n\n```text\n{done.stdout.rstrip()}\n```\n")
    parts.append("## The program\n\nEvery application is its own tool. The `--help` of `examples/hello`, without the settings:\n\n"
                 f"```text\n{output(app, '--help').split('Settings (')[0].rstrip()}\n```\n\n"
                 "### The list of routes\n\n`app routes` prints one route per line: method, pattern, module, who may use it "
                 "(nothing: anybody; `user`: signed in; `writer`: not merely a viewer; `admin`), and the route's `.doc`. "
                 "Patterns are explained at `struct pd_route`. The platform's own routes come last, as module `pando`.\n\n"
                 f"```text\n{routes(app)}\n```\n")
    return "\n".join(parts)


def routes(app):
    lines = output(app, "routes").split("\n")
    own = [line for line in lines if " pando " not in line]
    return "\n".join(own[:4] + ["…"] * (len(own) > 4) + [line for line in lines if " pando " in line])


def errors(root):
    """What `pando explain` knows, and the error codes of the run time."""
    rows = re.findall(r'PD_ERR\((\w+), (\d+), (\d+), (\w+), "([^"]*)"\)', (root / "include/pando/err.def").read_text())
    table = "\n".join(f"| `PD_{n}` | {text} | {http} | {code} | {level.lower()} |" for n, http, code, level, text in rows)
    parts = [f"""# Errors

Every message names its cause and the remedy. One that has a code is explained at length by
`pando explain CODE`, without a network, and below.

## Codes of the run time

What a function of pando returns (`pd_err`), the status that answers a request which ended with it, the exit code of a
program that did (sysexits.h), and the level at which it is logged. A request whose commit has an unknown outcome is
answered with 503, so that the client asks again with its key.

| code | meaning | HTTP | exit | log |
|---|---|---|---|---|
{table}
"""]
    for path in sorted((root / "share/explain").glob("*.md")):
        # Its title becomes a section of this page, its sections parts of that.
        parts.append(deeper(path))
    return "\n".join(parts)



def deeper(path):
    """One level deeper, outside fenced blocks."""
    out, inside = [], False
    for line in path.read_text().split("\n"):
        inside ^= line.startswith("```")
        out.append("#" + line if line.startswith("#") and not inside else line)
    return "\n".join(out)
