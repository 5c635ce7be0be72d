"""In what order: one flow a file, one file a verb."""

import logging

# A worker's root logger stands at WARNING, and at INFO httpx would log whole addresses there.
logging.getLogger("dayloop").setLevel(logging.INFO)
