#!/usr/bin/python3
"""docs build: docs/ and the headers -> HTML.   docs run [PAGE…]: proves the blocks of the pages.

    tools/docs/main.py build [--out DIR]
    tools/docs/main.py install       called by `meson install`: into its share/doc/pando/html
    tools/docs/main.py run [--keep] [PAGE…]

$PANDO_BUILD is the build tree (default: build/). Exit code 1 if anything is wrong; each problem is a line.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import sys
import time

import apipages
import fences
import generated
import runner
import website

ROOT = website.ROOT
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD") or os.environ.get("MESON_BUILD_ROOT") or ROOT / "build").resolve()


def version():
    return re.search(r"version : '([^']+)'", (ROOT / "meson.build").read_text()).group(1)


def pages():
    """Every page whose blocks are proved: all of docs/, README.md and the explanations of errors."""
    found = sorted((ROOT / "docs").rglob("*.md")) + [ROOT / "README.md"]
    return [str(p.relative_to(ROOT)) for p in found]


def unlisted_decisions():
    """Those that decisions/README.md does not name yet, as lines of its list."""
    folder = ROOT / "docs/decisions"
    listed = (folder / "README.md").read_text()
    return [f"- [{p.read_text().splitlines()[0].lstrip('# ')}]({p.name})" for p in sorted(folder.glob("0*.md"))
            if f"({p.name})" not in listed]


def build(out):
    site = website.Site(version())
    found, problems = apipages.read_all(ROOT)
    apipages.Pages(site, found).add()
    pando, app = BUILD / "src/cli/pando", BUILD / "examples/hello"
    site.add_markdown("reference/settings.html", generated.settings(ROOT), "docs/reference/settings.md")
    site.add_markdown("reference/commands.html", generated.commands(pando, app), "docs/reference/commands.md")
    site.add_markdown("reference/errors.html", generated.errors(ROOT), "docs/reference/errors.md")
    for page in pages():
        site.add_source(page)
    site.render_sources()
    decisions = (ROOT / "docs/decisions/README.md").read_text() + "\n".join(unlisted_decisions()) + "\n"
    site.add_markdown("decisions/index.html", decisions, "docs/decisions/README.md")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    site.write(out)
    listed = {href for _, links in site.nav for _, href in links}
    problems += [f"docs/README.md: does not name {source}" for source, output in site.sources.items()
                 if source.startswith("docs/") and output not in listed and output != "index.html"
                 and "/decisions/" not in source]
    problems += site.problems + website.check(out)
    if not problems:
        print(f"{len(site.pages)} pages in {os.path.relpath(out)}; every link and anchor exists")
    return problems


def prove(page):
    """One page, in a process of its own; "" stands for the headers' examples."""
    proof = runner.Runner(ROOT, BUILD, BUILD / "docs/run" / (re.sub(r"\W+", "-", page.removesuffix(".md")) or "headers"))
    for header in [] if page else apipages.read_all(ROOT)[0]:
        proof.header(header, website.HERE / "examples" / header.name.replace(".h", ".c.in"))
    try:
        if page:
            proof.page(page, fences.fences_of(page, (ROOT / page).read_text()))
    except fences.FenceError as e:
        proof.problems.append(str(e))
    return proof.problems, proof.counts


def run(names, keep):
    began = time.monotonic()
    todo = [n for n in pages() if not names or any(x in n for x in names)]
    todo.sort(key=lambda n: "tutorial" not in n)  # the longest first
    counts, problems = collections.Counter(), []
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as workers:
        for found, counted in workers.map(prove, todo + ([] if names else [""])):
            problems += found
            counts.update(counted)
    if not keep and not problems:
        shutil.rmtree(BUILD / "docs/run", ignore_errors=True)
    listed = ", ".join(f"{n} {verb}" for verb, n in sorted(counts.items()))
    print(f"{len(todo)} pages, {counts.total()} blocks ({listed}) in {time.monotonic() - began:.0f} s")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "install", "run"])
    parser.add_argument("page", nargs="*")
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "docs/html")
    parser.add_argument("--keep", action="store_true", help="keep the folders the blocks ran in")
    args = parser.parse_intermixed_args()
    if args.command == "run":
        problems = run(args.page, args.keep)
    else:
        prefix = os.environ.get("MESON_INSTALL_DESTDIR_PREFIX")
        problems = build(pathlib.Path(prefix) / "share/doc/pando/html" if args.command == "install" else args.out)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
