"""Charts: generating their files from the values, writing them to disk, rendering and packaging them with helm."""
