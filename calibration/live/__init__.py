"""A page that guides whoever shows the board: what is seen, what is missing, when it is enough."""
