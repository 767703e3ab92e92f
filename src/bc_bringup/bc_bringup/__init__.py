"""Launch files, configuration and the `bcros` command line."""
