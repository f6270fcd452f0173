"""Versions: of this package, of the Metaflow it stands in for, and of the wire to the engine."""

VERSION = "0.1.0"
#: The Metaflow release whose language, files and names are followed.
METAFLOW_VERSION = "2.19.38"
#: What `metaflow.__version__` says.
METAFLOW_FULL_VERSION = "%s+headrace.%s" % (METAFLOW_VERSION, VERSION)
#: `docs/formats/wire.md`; the engine's `kWireVersion` must be equal.
WIRE_VERSION = 1
