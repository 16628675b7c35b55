"""What a data set consists of: numbers, figures, a page."""
