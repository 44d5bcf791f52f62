"""The station of `tests/line`, treated badly."""

from tests.line.conftest import line as line
from tests.line.conftest import taught as taught
