"""Everything that `metaflow.S3` does, told as JSON: run by both products, each below a root of its own.

Usage: scenario.py ROOT, with ROOT such as s3://bucket/test/headrace. What depends on the root, on time or on the machine is
replaced, so that two products that work alike print the same.
"""

import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from metaflow import S3
from metaflow.plugins.datatools import s3 as module
from metaflow.plugins.datatools.s3 import S3GetObject, S3PutObject

ROOT = sys.argv[1]
TREE = {"a/0.txt": "zero zero 12", "a/b/1.txt": "one", "a/c/2.txt": "two", "a/d/e/3.txt": "", "f/4.txt": "four", "ab/5.txt": "x"}
told = {}


def plain(value):
    if isinstance(value, str):
        text = value.replace(ROOT, "ROOT")
        return re.sub(r"^\S*metaflow\.s3\.\S+$", "TEMPORARY", text)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value


def shown(obj):
    """All properties of an S3Object."""
    return {
        "exists": obj.exists, "downloaded": obj.downloaded, "url": plain(obj.url), "key": plain(obj.key),
        "prefix": plain(obj.prefix), "path": plain(obj.path), "blob": plain(obj.blob), "text": obj.text, "size": obj.size,
        "has_info": obj.has_info, "content_type": obj.content_type, "metadata": obj.metadata, "encryption": obj.encryption,
        "range_info": obj.range_info and list(obj.range_info),
        "last_modified": type(obj.last_modified).__name__, "str": plain(str(obj)),
    }


def tell(name, call):
    """Notes what `call` gives, or the class of what it raises."""
    try:
        value = call()
    except Exception as error:
        told[name] = {"raised": "%s.%s" % (type(error).__module__, type(error).__name__), "headline": getattr(error, "headline", "")}
        return
    if isinstance(value, module.S3Object):
        value = shown(value)
    elif isinstance(value, list):
        value = [shown(v) if isinstance(v, module.S3Object) else [plain(p) for p in v] if isinstance(v, tuple) else v for v in value]
    told[name] = plain(value)


def keys(objects):
    return [[plain(o.key), o.exists, plain(o.prefix), plain(o.url), o.size] for o in objects]


def writing(s3):
    for key, text in TREE.items():
        tell("put " + key, lambda: s3.put(key, text))
    tell("put bytes with information", lambda: s3.put("i/info", b"1234", content_type="text/csv", metadata={"who": "ann", "n": "1 \u00e4"}))
    tell("put text", lambda: s3.put("i/text", "gr\u00fc\u00dfe"))
    tell("put bytesio", lambda: s3.put("i/bytesio", io.BytesIO(b"from memory")))
    tell("put leading slash", lambda: s3.put("/i/slash", b"s"))
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"from a file")
        f.flush()
        with open(f.name, "rb") as g:
            g.read(5)
            tell("put file from its start", lambda: s3.put("i/file", g))
        with open(f.name, "rb") as g:
            g.read(5)
            tell("put_many file from its place", lambda: s3.put_many([("i/rest", g)]))
        tell("put_files", lambda: s3.put_files([("i/f1", f.name), S3PutObject("i/f2", path=f.name, content_type="a/b", metadata={"x": "y"})]))
        tell("put_files again", lambda: s3.put_files([("i/f1", f.name), ("i/f3", f.name)], overwrite=False))
    tell("put_files without the file", lambda: s3.put_files([("i/f4", "/nowhere/at/all")]))
    tell("put_many", lambda: s3.put_many([("m/2", b"2"), ("m/1", "1"), S3PutObject("m/3", value="3", content_type="c/d", metadata={"k": "v"})]))
    tell("put_many nothing", lambda: s3.put_many([]))
    tell("put kept", lambda: s3.put("m/1", "other", overwrite=False))
    tell("put kept new", lambda: s3.put("m/5", "five", overwrite=False))
    tell("put_many kept", lambda: s3.put_many([("m/4", "4"), ("m/1", "other"), ("m/0", "0")], overwrite=False))
    tell("is kept", lambda: s3.get("m/1").text)
    tell("put number", lambda: s3.put("i/number", 1))
    tell("put_many number", lambda: s3.put_many([("i/number", 1)]))
    tell("put text file", lambda: s3.put("i/textfile", io.StringIO("x")))
    tell("put odd names", lambda: s3.put_many([("odd/sp ace", "1"), ("odd/#frag=1&r", "2"), ("odd/\u00e4\u20ac", "3"), ("odd/plus+%41", "4")]))
    tell("get odd names", lambda: [o.text for o in s3.get_many(["odd/sp ace", "odd/#frag=1&r", "odd/\u00e4\u20ac", "odd/plus+%41"])])
    tell("list odd names", lambda: keys(s3.list_recursive(["odd"])))
    tell("large", lambda: s3.put("big/one", os.urandom(40) * 500000))
    tell("large back", lambda: [s3.get("big/one").size, s3.get(S3GetObject("big/one", 19999990, None)).size])


def reading(s3):
    tell("get", lambda: s3.get("a/0.txt"))
    tell("get slash", lambda: s3.get("/a/0.txt"))
    tell("get without info", lambda: s3.get("a/0.txt", return_info=False))
    tell("get empty", lambda: s3.get("a/d/e/3.txt"))
    tell("get with information", lambda: s3.get("i/info"))
    tell("get missing", lambda: s3.get("zz"))
    tell("get missing allowed", lambda: s3.get("zz", return_missing=True))
    tell("get root", lambda: s3.get())
    tell("get full url", lambda: s3.get(ROOT + "/a/0.txt"))
    for name, offset, length in (("middle", 2, 3), ("rest", 2, None), ("last", 0, -3), ("last with offset", 5, -3), ("beyond", 500, 3),
                                 ("over the end", 8, 100), ("no offset", None, 4), ("more than all", None, -100)):
        tell("range " + name, lambda: s3.get(S3GetObject("a/0.txt", offset, length)))
        tell("many range " + name, lambda: s3.get_many([S3GetObject("a/0.txt", offset, length)])) if name != "beyond" else None
    tell("two ranges of one", lambda: [o.text for o in s3.get_many([S3GetObject("a/0.txt", 0, 4), S3GetObject("a/0.txt", 7, 4)])])
    tell("get_many", lambda: s3.get_many(["f/4.txt", "a/0.txt"]))
    tell("get_many twice", lambda: [o.text for o in s3.get_many(["f/4.txt", "a/0.txt", "f/4.txt"])])
    tell("get_many without info", lambda: s3.get_many(["f/4.txt", "i/info"], return_info=False))
    tell("get_many nothing", lambda: s3.get_many([]))
    tell("get_many missing", lambda: s3.get_many(["f/4.txt", "zz"]))
    tell("get_many missing allowed", lambda: s3.get_many(["f/4.txt", "zz", "a/0.txt"], return_missing=True))
    tell("get_many missing without info", lambda: s3.get_many(["f/4.txt", "zz"], return_missing=True, return_info=False))
    tell("get_recursive", lambda: s3.get_recursive(["a"]))
    tell("get_recursive slash", lambda: keys(s3.get_recursive(["a/"])))
    tell("get_recursive two", lambda: keys(s3.get_recursive(["a/b", "f"])))
    tell("get_recursive info", lambda: s3.get_recursive(["a", "i/info"], return_info=True))
    tell("get_recursive nothing there", lambda: keys(s3.get_recursive(["zz"])))
    tell("info", lambda: s3.info("i/info"))
    tell("info missing", lambda: s3.info("zz"))
    tell("info missing allowed", lambda: s3.info("zz", return_missing=True))
    tell("info_many", lambda: s3.info_many(["f/4.txt", "i/info"]))
    tell("info_many missing", lambda: s3.info_many(["f/4.txt", "zz"]))
    tell("info_many missing allowed", lambda: s3.info_many(["f/4.txt", "zz"], return_missing=True))


def listing(s3):
    for name, wanted in (("a f", ["a", "f"]), ("all", None), ("slash", ["a/"]), ("nothing", ["zz"]), ("object", ["f/4.txt"]),
                         ("deep", ["a/d"]), ("none", [])):
        tell("list_paths " + name, lambda: keys(s3.list_paths(wanted)))
        tell("list_recursive " + name, lambda: keys(s3.list_recursive(wanted)))
    tell("list_paths object", lambda: s3.list_paths(["a"]))


def ways_to_make_one(root):
    with S3() as s3:
        tell("no root get", lambda: s3.get(ROOT + "/tree/a/0.txt"))
        tell("no root get_many", lambda: s3.get_many([ROOT + "/tree/a/0.txt", ROOT + "/tree/f/4.txt"]))
        tell("no root relative", lambda: s3.get("a/0.txt"))
        tell("no root none", lambda: s3.get())
        tell("no root get_all", lambda: s3.get_all())
        tell("no root list", lambda: keys(s3.list_paths([ROOT + "/tree/a"])))
        tell("no root recursive", lambda: keys(s3.get_recursive([ROOT + "/tree/a"])))
        tell("no root missing", lambda: s3.get(ROOT + "/tree/zz", return_missing=True))
        tell("no root info", lambda: s3.info(ROOT + "/tree/i/info"))
        tell("no root put", lambda: s3.put(ROOT + "/tree/n/1", "1"))
        tell("no root put_many", lambda: s3.put_many([(ROOT + "/tree/n/2", "2")]))
        tell("no bucket get", lambda: s3.get("s3://there-is-no-such-bucket-here/x"))
        tell("no bucket get_many", lambda: s3.get_many(["s3://there-is-no-such-bucket-here/x"]))
        tell("no bucket list", lambda: keys(s3.list_paths(["s3://there-is-no-such-bucket-here/x"])))
        tell("no bucket put", lambda: s3.put("s3://there-is-no-such-bucket-here/x", "1"))
    tell("other scheme", lambda: S3(s3root="gs://x/y"))
    tell("run outside", lambda: run_outside())
    with S3(s3root=ROOT + "/all/") as s3:
        tell("root with slash", lambda: s3.put("b/1", "1"))
        tell("put 2", lambda: s3.put("a/2", "2"))
        tell("get_all", lambda: keys(s3.get_all()))
        tell("get_all info", lambda: keys(s3.get_all(return_info=True)))


def run_outside():
    from metaflow import FlowSpec, step

    class Outside(FlowSpec):
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    return S3(run=Outside(use_cli=False))


def temporary_files():
    before = set(os.listdir("."))
    s3 = S3(s3root=ROOT + "/tree")
    made = [name for name in os.listdir(".") if name not in before]
    tell("made by the constructor", lambda: [len(made), made[0].startswith("metaflow.s3.")])
    one = s3.get("a/0.txt")
    many = s3.get_many(["f/4.txt"])[0]
    tell("name of one", lambda: os.path.basename(one.path).startswith("metaflow.s3.one_file."))
    tell("in it", lambda: [Path(o.path).resolve().parent.name == made[0] for o in (one, many)])
    s3.close()
    tell("gone", lambda: [os.path.exists(made[0]), one.size, one.exists, one.downloaded])
    tell("blob after close", lambda: one.blob)
    s3.close()
    with tempfile.TemporaryDirectory() as other:
        with S3(tmproot=other, s3root=ROOT + "/tree") as s3:
            tell("tmproot", lambda: len(os.listdir(other)))
        tell("tmproot after", lambda: len(os.listdir(other)))


with S3(s3root=ROOT + "/tree") as client:
    writing(client)
    reading(client)
    listing(client)
ways_to_make_one(ROOT)
temporary_files()
tell("fields", lambda: [list(S3GetObject._fields), list(S3PutObject._fields), list(module.RangeInfo._fields)])
tell("defaults", lambda: [list(module.RangeInfo(3)), list(S3PutObject("k"))])
tell("modules", lambda: [getattr(module, n).__module__ for n in ("S3", "S3Object", "S3GetObject", "S3PutObject", "RangeInfo", "MetaflowS3NotFound")])
print(json.dumps(told, indent=1, sort_keys=True))
