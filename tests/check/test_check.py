"""`pando check` finds what is planted, at its line, and nothing else."""
from collections import Counter

import pytest

from app import App, found

BUILDS = {
    "gcc -O2": ("gcc", ("-O2", "-g", "-fPIC")),
    "gcc -O0": ("gcc", ("-O0", "-g")),
    "clang -O2": ("clang-14", ("-O2", "-g", "-fPIC")),
    "asan": ("gcc", ("-O1", "-g", "-fsanitize=address,undefined")),
}


def minus(some, others):
    return sorted((Counter(some) - Counter(others)).elements())


@pytest.mark.parametrize("how", BUILDS)
def test_planted(tmp_path, how):
    cc, flags = BUILDS[how]
    app = App(tmp_path / "app", "planted", cc, flags).build()
    report = app.check()
    expected, got = app.planted(), found(report)
    print(f"{how}: {len(expected)} planted, {len(set(got) & set(expected))} found, "
          f"{len(set(got) - set(expected))} false alarms, {report['check_ms']} ms")
    assert {"missed": minus(expected, got), "false alarms": minus(got, expected)} == \
        {"missed": [], "false alarms": []}


@pytest.mark.parametrize("how", BUILDS)
def test_innocent(tmp_path, how):
    cc, flags = BUILDS[how]
    report = App(tmp_path / "app", "innocent", cc, flags).build().check()
    print(f"{how}: {len(report['findings'])} false alarms, {report['check_ms']} ms")
    assert report["findings"] == []
