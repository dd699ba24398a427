"""Two runs side by side: what is the same to the last bit, what is not, and from which step on."""
