"""The subcommands of ``mavfer-capture``, one a file: `add` declares, a handler carries out."""
