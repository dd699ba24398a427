"""All rows."""

from tests.helpers.refusals import (
    command_rows,
    config_rows,
    data_rows,
    encoder_rows,
    file_rows,
    label_rows,
    plan_rows,
    server_rows,
    service_rows,
    store_rows,
    weight_rows,
)

REFUSALS = (
    *config_rows.ROWS,
    *data_rows.ROWS,
    *file_rows.ROWS,
    *label_rows.ROWS,
    *encoder_rows.ROWS,
    *weight_rows.ROWS,
    *plan_rows.ROWS,
    *command_rows.ROWS,
    *store_rows.ROWS,
    *service_rows.ROWS,
    *server_rows.ROWS,
)
