"""`make bench`: every table, in the order of the README."""

from benchmarks import install, line

install.main()
print()
line.main()
