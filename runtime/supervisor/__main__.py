"""A worker process's entry: ``python -m runtime.supervisor CHANNEL`` (`runtime.supervisor.worker`)."""

import sys

from runtime.supervisor.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
