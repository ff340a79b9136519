"""Between teams and table rows."""

from typing import Any, cast

from adapters.store.teams.statements import team_from_row, team_to_row
from adapters.store.teams.tables import teams
from tests.adapters.store.teams.contract import make_team


def test_a_row_has_every_column_and_comes_back() -> None:
    team = make_team(0.5)
    row = team_to_row(team)
    assert row.keys() == {column.name for column in teams.columns}
    assert all(isinstance(it["id"], str) for it in row["members"])
    assert team_from_row(cast("Any", row)) == team
