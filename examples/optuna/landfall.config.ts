import { defineApp } from "landfall";

export default defineApp({
  name: "optuna",
  recipe: { files: ["requirements.txt"], steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"] },
  resources: { database: { type: "postgres", readOnlyUser: false } },
  services: {
    web: {
      command:
        'exec .venv/bin/python .venv/bin/optuna-dashboard "postgresql+psycopg2://${DATABASE_URL#*://}" --host $HOST --port $PORT --server gunicorn',
      port: 8080,
      health: { path: "/dashboard" },
    },
  },
  release: {
    expand:
      '.venv/bin/python .venv/bin/optuna create-study --skip-if-exists --study-name first --storage "postgresql+psycopg2://${DATABASE_URL#*://}"',
  },
});
