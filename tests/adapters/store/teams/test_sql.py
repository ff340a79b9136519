"""The contract about teams, on every database."""

from tests.adapters.store.teams.contract import SwitchContract, TeamContract


class TestTeams(TeamContract):
    pass


class TestSwitches(SwitchContract):
    pass
