"""All rows."""

from tests.refusals import commands

REFUSALS = commands.ROWS
