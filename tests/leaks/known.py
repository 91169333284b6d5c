"""What the scans know of this repository and of its tests."""

import re

from tests.identity.helpers import PASSWORD
from tests.sandbox import shop
from tests.sandbox.running import REST_PASSWORD

#: The secrets of the tests' families and shops: in no log, no database, no mail.
SECRETS = (PASSWORD, REST_PASSWORD)
#: The trial cards of the sandbox, which its documents and its pages name.
DEMONSTRATION_CARDS = frozenset(
    value.replace(" ", "") for value in vars(shop).values() if isinstance(value, str) and value.startswith("4970 ")
)
#: What looks like a leak, and is none.
ALLOWED = re.compile(r"^tests/(?:test_security|leaks/(?:test_scanning|plugin))\.py: ")
