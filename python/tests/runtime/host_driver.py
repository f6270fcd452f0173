"""Runs a flow file as `python flow.py run` would up to the task host: `host_driver.py FLOW.py LINK_FD [step NAME]`.

With `step NAME` it is the fresh interpreter of one task. Prints nothing of its own.
"""

from __future__ import annotations

import os
import socket
import sys


def main() -> None:
    script, link_fd = sys.argv[1], int(sys.argv[2])
    if sys.argv[3:4] != ["step"]:
        os.set_inheritable(link_fd, False)
    from headrace import flowspec

    chosen = []
    flowspec.FlowSpec.__init__, original = (  # type: ignore[method-assign]
        lambda self, use_cli=True: (original(self, use_cli=False), chosen.append(self) if use_cli else None)[0],
        flowspec.FlowSpec.__init__,
    )
    namespace = sys.modules["__main__"].__dict__
    with open(script) as file:
        code = compile(file.read(), script, "exec")
    sys.argv[0] = script
    exec(code, namespace)
    (flow,) = chosen
    type(flow)._configs_processed = True
    if sys.argv[3:4] == ["step"]:
        from headrace.task import run_from_door

        sys.exit(run_from_door(flow))

    from headrace import forksafe
    from headrace.host import Host

    reason = forksafe.reason_against_forking([link_fd])
    command = [sys.executable, os.path.abspath(__file__), script, str(link_fd)]
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=link_fd)
    code = Host(flow, command, link, reason).serve()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
