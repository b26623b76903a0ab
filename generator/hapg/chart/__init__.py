"""A chart: its files made from the values, written to disk, rendered and packed by helm."""
