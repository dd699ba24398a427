"""What programs and commands open: studies on disk, compared, plotted, asked for answers, and started as child processes."""
