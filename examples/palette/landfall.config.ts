import { defineApp } from "landfall";

export default defineApp({
  name: "palette",
  recipe: {
    packages: ["python3-venv"],
    files: ["requirements.txt"],
    steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"],
  },
  resources: { database: { type: "postgres" } },
  services: {
    web: {
      command:
        "exec .venv/bin/python -m gunicorn web:app --bind $HOST:$PORT --workers 1 --threads 8 --worker-tmp-dir $LANDFALL_DATA --no-control-socket",
      port: 8080,
      instances: 2,
      environment: { PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" },
      health: { path: "/ready" },
    },
    worker: {
      command: "exec .venv/bin/python worker.py",
      environment: { PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" },
    },
  },
  release: { expand: ".venv/bin/python migrate.py" },
});
