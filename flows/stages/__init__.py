"""The stages of a study between its data and its report: plain functions called by the flow."""
