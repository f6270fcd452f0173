"""`metaflow._vendor.click`: click as it is installed."""

import sys

import click

sys.modules[__name__] = click
