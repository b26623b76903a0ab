"""A spec and a chart's values: what they may say, what they do say, and what is wrong with them."""
