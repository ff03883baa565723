import { defineApp } from "landfall";

export default defineApp({
  name: "guestbook",
  recipe: {
    packages: ["nodejs", "npm"],
    files: ["package.json", "package-lock.json"],
    steps: ["npm ci --omit=dev"],
  },
  resources: {
    database: { type: "postgres" },
    jobs: { type: "queue", visibilityTimeout: "30s", maxReceiveCount: 5 },
    uploads: { type: "bucket" },
  },
  services: {
    web: {
      command: "exec node web.js",
      port: 8080,
      instances: { min: 3, max: 6 },
      health: { path: "/ready", interval: "1s", timeout: "2s", startupTimeout: "30s" },
      drain: { ask: "/deploy/ready", start: "/deploy/drain", timeout: "30s" },
      stop: { timeout: "15s" },
    },
    worker: {
      command: "exec node worker.js",
      stop: { timeout: "30s" },
    },
    scheduler: {
      command: "exec node scheduler.js",
      singleton: true,
    },
    cleaning: {
      command: "exec node clean.js",
      schedule: "15 3 * * *",
      timeout: "10m",
    },
  },
  release: {
    build: ["node build.js"],
    expand: "node migrate.js",
    timeout: "2m",
  },
  routes: [{ headers: { "x-content-type-options": "nosniff", "referrer-policy": "same-origin" } }],
  environments: {
    local: { target: "local", limits: { body: "6MB" } },
  },
});
