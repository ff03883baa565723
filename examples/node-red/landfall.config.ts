import { defineApp } from "landfall";

export default defineApp({
  name: "node-red",
  recipe: { files: ["package.json", "package-lock.json"], steps: ["npm ci --omit=dev"] },
  services: {
    web: {
      command: "exec node_modules/.bin/node-red --userDir $LANDFALL_DATA --port $PORT -D uiHost=$HOST -D flowFile=flows.json",
      port: 1880,
      health: { path: "/settings" },
      // An open editor holds its WebSocket as long as it is left to, and connects again by itself.
      drain: { timeout: "5s" },
    },
  },
});
