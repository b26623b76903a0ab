module ha-postgres/tests/pause

go 1.24.0
