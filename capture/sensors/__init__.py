"""One file per kind of sensor; nothing else knows its SDK."""
