"""Where things are, for the tests of this folder."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PANDO_BUILD", ROOT / "build"))
