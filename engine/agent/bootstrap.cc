#include "agent/bootstrap.h"

namespace headrace::agent {

// The executable goes into the pod's work folder, or into memory where that cannot be written or nothing in it can be executed.
// As the first process of a container Python would not even see SIGTERM without a handler.
std::string_view bootstrap_text() {
  return R"py(import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))

def agent(folder, wanted):
    import hashlib, zlib
    unpack = zlib.decompressobj(31)
    program = b""
    for name in sorted(name for name in os.listdir(folder) if name.isdigit()):
        with open(os.path.join(folder, name), "rb") as part:
            program += unpack.decompress(part.read())
    program += unpack.flush()
    found = hashlib.sha1(program).hexdigest()
    if found != wanted:
        raise ValueError("its parts in %s make %s instead of %s" % (folder, found, wanted))
    return program

def start(program):
    path = os.path.join(os.environ.get("HEADRACE_WORK") or "/nonexistent", "headrace")
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "wb") as file:
            file.write(program)
        os.execv(path, [path, "agent"])
    except OSError as error:
        if not hasattr(os, "memfd_create"):
            raise
    memory = os.memfd_create("headrace", 0)
    with open(memory, "wb", closefd=False) as file:
        file.write(program)
    path = "/proc/self/fd/%d" % memory
    os.execv(path, [path, "agent"])

try:
    os.environ["HEADRACE_PYTHON"] = sys.executable or "python3"
    os.environ["HEADRACE_PYTHON_VERSION"] = sys.version
    start(agent(os.environ["HEADRACE_AGENT_PARTS"], os.environ["HEADRACE_AGENT_SHA1"]))
except Exception as error:
    sys.exit("headrace: the agent cannot be started in this pod: %s: %s" % (type(error).__name__, error))
)py";
}

}  // namespace headrace::agent
