#include "agent/bootstrap.h"

namespace headrace::agent {

// The executable goes into the pod's work folder, or into memory where that cannot be written or nothing in it can be executed.
// As the first process of a container Python would not even see SIGTERM without a handler.
std::string_view bootstrap_text() {
  return R"py(import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))

def unpack(file):
    import hashlib, zlib
    folder, wanted = os.environ["HEADRACE_AGENT_PARTS"], os.environ["HEADRACE_AGENT_SHA1"]
    unpacker, digest = zlib.decompressobj(31), hashlib.sha1()
    for name in sorted(name for name in os.listdir(folder) if name.isdigit()):
        with open(os.path.join(folder, name), "rb") as part:
            piece = unpacker.decompress(part.read())
        digest.update(piece)
        file.write(piece)
    if digest.hexdigest() != wanted:
        raise ValueError("its parts in %s make %s instead of %s" % (folder, digest.hexdigest(), wanted))

def start():
    path = os.path.join(os.environ.get("HEADRACE_WORK") or "/nonexistent", "headrace")
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "wb") as file:
            unpack(file)
        os.execv(path, [path, "agent"])
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
    memory = os.memfd_create("headrace", 0)
    with open(memory, "wb", closefd=False) as file:
        unpack(file)
    path = "/proc/self/fd/%d" % memory
    os.execv(path, [path, "agent"])

try:
    os.environ["HEADRACE_PYTHON"] = sys.executable or "python3"
    os.environ["HEADRACE_PYTHON_VERSION"] = sys.version
    start()
except Exception as error:
    sys.exit("headrace: the agent cannot be started in this pod: %s: %s" % (type(error).__name__, error))
)py";
}

}  // namespace headrace::agent
