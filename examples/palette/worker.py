"""Takes colors from the queue in Postgres and makes their shades. SIGTERM lets it finish the one in hand."""

import colorsys
import os
import signal

import psycopg

STEPS = 7
stopping = False


def stop(*_):
    global stopping
    stopping = True


def make_shades(color: str) -> list[str]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    lights = [0.15 + 0.75 * step / (STEPS - 1) for step in range(STEPS)]
    shades = [colorsys.hls_to_rgb(hue, light, saturation) for light in lights]
    return ["#" + "".join(f"{round(part * 255):02x}" for part in shade) for shade in shades]


def perform_one(connection: psycopg.Connection) -> bool:
    """False when nothing waits. "skip locked" lets several workers share the queue; a worker that dies gives its job back."""
    with connection.transaction():
        job = connection.execute("select id, color from palettes where shades is null order by id limit 1 for update skip locked").fetchone()
        if job is None:
            return False
        connection.execute("update palettes set shades = %s where id = %s", [make_shades(job[1]), job[0]])
    print(f"made shades of {job[1]}")
    return True


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("listen palettes")
    print("waiting for colors")
    while not stopping:
        if not perform_one(connection):
            # Wakes at a notification, and now and then to see whether it should stop.
            list(connection.notifies(timeout=1, stop_after=1))
print("stopped")
