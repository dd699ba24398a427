"""Files between machines by content address: data, encoders, states and results, in any file system that fsspec knows."""
