"""An encoder's layers with a forward and a backward pass of their own; see docs/decisions/0016."""
