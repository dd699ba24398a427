"""What each command of `bertft` does; imported only when it is called, so that `--help` is quick."""
