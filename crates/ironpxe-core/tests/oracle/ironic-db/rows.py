"""Records what the boot statements (`src/beside/*.sql`) give on the tables of a real Ironic, into a JSON file beside this one.

    sqlite3 ironic.db < sqlite.sql && python3 rows.py sqlite.json sq:ironic.db
    mariadb ironic < mariadb.sql && python3 rows.py mariadb.json my:HOST:PORT:USER:PASSWORD:DATABASE    # needs PyMySQL

By MAC address: the rows, as the database's client gives them. That the statement by node gives the same but for the port is
checked here, so that it needs no record of its own.
"""
import json, pathlib, sys

here = pathlib.Path(__file__).parent
name, where = sys.argv[1:]
kind, rest = where.split(":", 1)
if kind == "my":
    import pymysql

    host, port, user, password, database = rest.split(":")
    connection = pymysql.connect(host=host, port=int(port), user=user, password=password, database=database, charset="utf8mb4")
else:
    import sqlite3

    connection = sqlite3.connect(f"file:{rest}?mode=ro", uri=True)


def rows(text, *values):
    cursor = connection.cursor()
    cursor.execute(text.replace("?", "%s") if kind == "my" else text, values)
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row)) for row in cursor.fetchall()]


def without_port(found):
    return [{column: value for column, value in row.items() if not column.startswith("port_")} for row in found]


by_address, by_node = ((here / f"../../../src/beside/{it}.sql").read_text() for it in ("by_address", "by_node"))
recorded = {}
for row in rows("SELECT address FROM ports ORDER BY address"):
    found = recorded[row["address"]] = rows(by_address, row["address"])
    assert without_port(rows(by_node, found[0]["uuid"])) == without_port(found), row
# A row a line.
lines = [f"{json.dumps(address)}: [\n" + ",\n".join(map(json.dumps, found)) + "\n]" for address, found in recorded.items()]
(here / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")
