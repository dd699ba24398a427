"""All rows."""

from tests.helpers.refusals import command_rows

REFUSALS = command_rows.ROWS
