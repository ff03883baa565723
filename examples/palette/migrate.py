"""Runs each file of migrations/ once, in order, in a transaction; two runs at once wait for each other."""

import os
from pathlib import Path

import psycopg

LOCK = 5_120_771

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("select pg_advisory_lock(%s)", [LOCK])
    connection.execute("create table if not exists migrations (name text primary key, done_at timestamptz not null default now())")
    done = {name for (name,) in connection.execute("select name from migrations")}
    for file in sorted(Path(__file__).with_name("migrations").glob("*.sql")):
        if file.name in done:
            continue
        with connection.transaction():
            connection.execute(file.read_text())
            connection.execute("insert into migrations (name) values (%s)", [file.name])
        print(f"migrated {file.name}")
