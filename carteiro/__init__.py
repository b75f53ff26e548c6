"""The command line and the one-machine stack: the only room that knows every other."""
