"""The wheel: one file for every Python of the platform, with the engine and both packages in it."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    env = dict(os.environ)
    env.pop("PYTHONPATH", None)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", str(place),
         "--config-settings", "build-dir=build/wheel", str(ROOT)],
        check=True, env=env, cwd=ROOT,
    )
    (made,) = place.glob("*.whl")
    return made


def test_it_fits_every_python_of_the_platform(wheel: Path) -> None:
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("headrace", "py3", "none")
    assert platform.startswith("linux_") or platform.startswith("manylinux")


def test_it_holds_the_engine_and_both_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        engine = archive.getinfo("headrace/_bin/headrace")
    assert (engine.external_attr >> 16) & 0o111, "the engine is not executable"
    assert {"headrace/__init__.py", "metaflow/__init__.py"} <= names
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]


def test_its_engine_is_one_that_pods_can_run(wheel: Path) -> None:
    """Static and stripped: a pod's image has no library of ours, and each namespace stores the whole file."""
    with zipfile.ZipFile(wheel) as archive:
        engine = archive.read("headrace/_bin/headrace")
    assert engine[:5] == b"\x7fELF\x02"
    offset, size, count = struct.unpack_from("<Q", engine, 32)[0], *struct.unpack_from("<HH", engine, 54)
    kinds = [struct.unpack_from("<I", engine, offset + number * size)[0] for number in range(count)]
    assert 1 in kinds and 3 not in kinds, "it names a dynamic loader"
    assert b".symtab" not in engine[-100000:], "it is not stripped"
    assert len(zlib.compress(engine, 6)) < 8_000_000


def test_hello_runs_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)], check=True)
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HEADRACE_ENGINE")}
    env["USER"] = "ann"
    ran = subprocess.run([python, str(ROOT / "examples" / "hello.py"), "run"], cwd=tmp_path, env=env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert ran.returncode == 0, ran.stderr
    assert "Done!" in ran.stdout
    assert "hello again" in ran.stdout
