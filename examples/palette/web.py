"""Takes a color, queues it in Postgres, and shows the shades that the worker made of it."""

import os
import re

import psycopg
from flask import Flask, abort, jsonify, redirect, render_template_string, request
from psycopg_pool import ConnectionPool

RELEASE = os.environ.get("LANDFALL_RELEASE", "development")
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10_000
pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=8, timeout=5, check=ConnectionPool.check_connection, open=True)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Palette</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 3rem auto; padding: 0 1rem }
  form { display: flex; gap: .8rem; align-items: center; margin-bottom: 2rem }
  input { width: 4rem; height: 2.6rem } button { font: inherit; padding: .4rem 1rem }
  ul { list-style: none; padding: 0 } svg { display: block; width: 100%; height: 3.5rem; border-radius: 8px }
</style>
<h1>Palette</h1>
<form method="post" action="/palettes">
  <label for="color">A color</label><input id="color" name="color" type="color" value="#3b7dd8"><button>Make shades</button>
</form>
<ul>{% for id, color, shades in palettes %}
  <li id="palette-{{ id }}"><p>{{ color }}{% if not shades %}, waiting for the worker{% endif %}</p>
    {% if shades %}<svg role="img" aria-label="Shades of {{ color }}" viewBox="0 0 {{ shades|length }} 1" preserveAspectRatio="none">
      {% for shade in shades %}<rect x="{{ loop.index0 }}" width="1.02" height="1" fill="{{ shade }}"/>{% endfor %}</svg>{% endif %}</li>
{% endfor %}</ul>
<footer>Release {{ release }}</footer>
</html>"""


@app.after_request
def tell_release(response):
    response.headers["x-landfall-release"] = RELEASE
    return response


@app.get("/")
def show_page():
    with pool.connection() as connection:
        palettes = connection.execute("select id, color, shades from palettes order by id desc limit 20").fetchall()
    return render_template_string(PAGE, palettes=palettes, release=RELEASE)


@app.post("/palettes")
def take_color():
    color = request.form.get("color", "").lower()
    if not re.fullmatch("#[0-9a-f]{6}", color):
        abort(422, "A color is # and six hexadecimal digits.")
    with pool.connection() as connection:
        (number,) = connection.execute("insert into palettes (color) values (%s) returning id", [color]).fetchone()
        connection.execute("notify palettes")
    return redirect(f"/#palette-{number}", 303)


@app.get("/palettes.json")
def list_palettes():
    with pool.connection() as connection:
        rows = connection.execute("select id, color, shades from palettes order by id desc limit 20").fetchall()
    return jsonify([{"id": number, "color": color, "shades": shades} for number, color, shades in rows])


@app.get("/ready")
def tell_ready():
    try:
        with pool.connection(timeout=1.5) as connection:
            connection.execute("select 1 from palettes limit 1")
    except (psycopg.Error, TimeoutError) as error:
        return f"database: {type(error).__name__}\n", 503
    return "ready\n"
