"""Subcommands of ``mavfer``, one file each."""
