"""Whether the labels of a study are right, and how hard its examples are, from what its own runs predict."""
