"""Tests with whole systems of others, run by targets of their own: ``make e2e-asterisk``, not ``make test``."""

from __future__ import annotations

import os

from tests.e2e.asterisk.pbx import ROOT_VARIABLE

collect_ignore_glob = [] if os.environ.get(ROOT_VARIABLE) else ["asterisk/*"]
