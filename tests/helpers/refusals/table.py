"""All rows."""

from tests.helpers.refusals import command_rows, data_rows

REFUSALS = (*command_rows.ROWS, *data_rows.ROWS)
