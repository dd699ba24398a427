"""Where runs are carried out, one module per engine; only `ray_cluster` imports ray."""
