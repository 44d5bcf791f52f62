"""`make bench`: every table, in the order of the README."""

from benchmarks import install, ledger, line

install.main()
print()
line.main()
print()
ledger.main()
