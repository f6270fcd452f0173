"""`Run.code` of a package in a datastore, as both products' classes tell it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any, Dict

SOURCE = "# a flow: é\n"
FORM = {"version": 0, "archive_format": "tgz", "mfcontent_version": 1}
INSTALL = {"version": 1, "module_files": []}
READ = """
import json, os
from metaflow.client.core import MetaflowCode
code = MetaflowCode("Packed", open("package.json").read())
with code.extract() as folder:
    # Metaflow leaves its own notes among the user's files.
    files = sorted(name for name in os.listdir(folder) if not name.startswith(".mf_"))
print(repr((code.flowspec, code.script_name, code.info, sorted(code.tarball.getnames()), files, str(code))))
"""


def store_package(folder: Path, members: Dict[str, str]) -> None:
    """A code package in the local datastore of `folder`, and `package.json`: what a task's metadata says of it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    sha = hashlib.sha1(packed.getvalue()).hexdigest()
    blob = folder / ".metaflow" / "Packed" / "data" / sha[:2] / sha
    blob.parent.mkdir(parents=True)
    blob.write_bytes(packed.getvalue())
    Path(str(blob) + "_meta").write_text(json.dumps({"cas_raw": True, "cas_version": 1}))
    (folder / "package.json").write_text(json.dumps({"ds_type": "local", "sha": sha, "location": str(blob), "metadata": json.dumps(FORM)}))


def test_both_tell_the_same_of_a_package(both: Any) -> None:
    store_package(both.folder, {".mf_meta/INFO": json.dumps({"script": "f.py"}), "f.py": SOURCE, "other.py": "",
                                ".mf_install": json.dumps(INSTALL), ".mf_code/metaflow/__init__.py": ""})
    ours, theirs = both.python("headrace", READ), both.python("metaflow", READ)
    assert ours == theirs
    assert repr(SOURCE.encode()) in ours and "['f.py', 'other.py']" in ours
