"""Decorators of steps and flows: one file each, as data (name, defaults, checks) and hooks.

`base` has the hooks, `registry` the names, `attach` puts decorators on steps and flows, `spec` reads `--with`.
"""
