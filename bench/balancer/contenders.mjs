// How each balancer is told to do the same: one core, HTTP/1.1 on kept connections to both sides, TLS 1.3 with one ECDSA certificate, no
// compression, the headers that say who asked, and no access log. Landfall's log, its metrics and its outcomes cannot be turned off, and are on.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeState } from "../../dist/system/state-file.js";
import { balancerArgv } from "../../dist/targets/local/balancer/argv.js";
import { freePort } from "../stage.mjs";

const KEPT_CONNECTIONS = 256;
const ENDLESS = 1_000_000_000;

/** Each gives its command line for a seat: `{ program, port, upstream, folder, tls? }`, the ports of 127.0.0.1, `tls` the files of a certificate. */
export const contenders = { landfall, traefik, caddy, nginx, haproxy };

const write = (folder, name, text) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

async function landfall({ port, upstream, folder, tls }) {
  const edge = {
    port,
    metricsPort: await freePort(),
    ...(tls && { tls }),
    limits: { bodyBytesMax: 1e8, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
    routes: [],
    defaultService: "web",
  };
  writeState(join(folder, "balancer.json"), { edge, upstreams: [{ id: "a", service: "web", port: upstream, state: "attached" }] });
  return balancerArgv(join(folder, "control.sock"), folder);
}

function traefik({ program, port, upstream, folder, tls }) {
  const rules = {
    http: {
      routers: { all: { rule: "PathPrefix(`/`)", entryPoints: ["web"], service: "web", ...(tls && { tls: {} }) } },
      services: { web: { loadBalancer: { servers: [{ url: `http://127.0.0.1:${upstream}` }], serversTransport: "kept" } } },
      serversTransports: { kept: { maxIdleConnsPerHost: KEPT_CONNECTIONS } },
    },
    ...(tls && {
      tls: {
        stores: { default: { defaultCertificate: { certFile: tls.certificateFile, keyFile: tls.keyFile } } },
        options: { default: { minVersion: "VersionTLS13", alpnProtocols: ["http/1.1"] } },
      },
    }),
  };
  const settings = {
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    entryPoints: { web: { address: `127.0.0.1:${port}` } },
    // What is JSON is YAML.
    providers: { file: { filename: write(folder, "rules.yml", JSON.stringify(rules)), watch: false } },
  };
  return [program, `--configFile=${write(folder, "traefik.yml", JSON.stringify(settings))}`];
}

function caddy({ program, port, upstream, folder, tls }) {
  const text = `{
  admin off
  auto_https off
  persist_config off
  storage file_system ${folder}
  servers {
    protocols h1
  }
}
${tls ? "https" : "http"}://127.0.0.1:${port} {
  bind 127.0.0.1
  ${tls ? `tls ${tls.certificateFile} ${tls.keyFile} {\n    protocols tls1.3\n  }` : ""}
  reverse_proxy 127.0.0.1:${upstream} {
    transport http {
      versions 1.1
      compression off
      keepalive_idle_conns_per_host ${KEPT_CONNECTIONS}
    }
  }
}
`;
  return [program, "run", "--adapter", "caddyfile", "--config", write(folder, "Caddyfile", text)];
}

const headersForNginx = `proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Request-Id $request_id;`;

function nginx({ program, port, upstream, folder, tls }) {
  const secure = tls && `ssl_protocols TLSv1.3; ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile};`;
  return nginxArgv({
    program,
    folder,
    more: `upstream web { server 127.0.0.1:${upstream}; keepalive ${KEPT_CONNECTIONS}; keepalive_requests ${ENDLESS}; keepalive_time 1d; }`,
    server: `listen 127.0.0.1:${port}${tls ? " ssl" : ""}; ${secure ?? ""}
      location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; ${headersForNginx} }`,
  });
}

function haproxy({ program, port, upstream, folder, tls }) {
  const pem = tls && write(folder, "both.pem", readFileSync(tls.certificateFile, "utf8") + readFileSync(tls.keyFile, "utf8"));
  const text = `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend all
  bind 127.0.0.1:${port}${pem ? ` ssl crt ${pem} alpn http/1.1 ssl-min-ver TLSv1.3` : ""}
  unique-id-format %{+X}o%pid-%rt
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto ${tls ? "https" : "http"}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend web
backend web
  server web 127.0.0.1:${upstream}
`;
  return [program, "-db", "-f", write(folder, "haproxy.cfg", text)];
}

/** What answers behind them all: it costs so little that the balancer in front is what is measured. */
export function upstreamArgv({ program, folder, port, body }) {
  return nginxArgv({ program, folder, server: `listen 127.0.0.1:${port}; location / { default_type text/plain; return 200 '${body}'; }` });
}

function nginxArgv({ program, folder, server, more = "" }) {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(" ");
  const text = `daemon off; worker_processes 1; pid ${join(folder, "nginx.pid")}; error_log ${join(folder, "nginx.log")}; events { worker_connections 4096; }
http { access_log off; ${paths} keepalive_requests ${ENDLESS}; keepalive_time 1d; ${more}
  server { ${server} } }
`;
  mkdirSync(folder, { recursive: true });
  return [program, "-p", folder, "-c", write(folder, "nginx.conf", text)];
}
