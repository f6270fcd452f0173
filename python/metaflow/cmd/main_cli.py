"""`metaflow.cmd.main_cli`: the command `metaflow`."""

from headrace.cli.tool import start

main = start

if __name__ == "__main__":
    start()
