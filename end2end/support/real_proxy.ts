// nginx, HAProxy or Caddy as a process of its own in front of a server, with the very configuration that docs/behind-a-proxy.md shows:
// only addresses are replaced, and around it stands what a user without root and a test need (where to write, no daemon, a certificate of
// its own).
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type Kind = "nginx" | "haproxy" | "caddy";

/** The name that the documentation gives the board. */
export const NAME = "board.example.org";

const DOCUMENT = path.resolve(__dirname, "../../docs/behind-a-proxy.md");

/** The document's only block in that language. */
export function documented(language: Kind | "caddyfile" | "toml"): string {
  const blocks = [...fs.readFileSync(DOCUMENT, "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language);
  if (blocks.length !== 1) throw new Error(`${DOCUMENT} has ${blocks.length} blocks of ${language}, and one is expected`);
  return blocks[0]?.[2] ?? "";
}

/** An address that no other process uses: the whole of 127.0.0.0/8 is this machine, so its ports can be chosen instead of found. */
export const ADDRESS = [127, 64 + ((process.pid >> 16) & 63), (process.pid >> 8) & 255, process.pid & 255].join(".");

/** Ports that need no root. */
const PLAIN = 8080;
const TLS = 8443;

/** Chromium finds the board under its name, at the ports that an address without a port means. */
export const RESOLVER_RULES = `--host-resolver-rules=MAP ${NAME}:80 ${ADDRESS}:${PLAIN}, MAP ${NAME}:443 ${ADDRESS}:${TLS}`;

export class RealProxy {
  /** The board by its name, as a browser opens it. */
  readonly url: string;
  /** The same by its address, where the proxy answers to any name. */
  readonly addressUrl = `http://${ADDRESS}:${PLAIN}`;
  /** What the proxy wrote. */
  log = "";
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), "kontasks-proxy-"));
  #process?: ChildProcess;

  constructor(
    readonly kind: Kind,
    readonly upstream: string,
  ) {
    this.url = kind === "caddy" ? `https://${NAME}` : `http://${NAME}`;
  }

  /** Starts it and waits until it passes on what the server says. */
  async start(): Promise<this> {
    const [file, text] = this.#configuration();
    fs.writeFileSync(path.join(this.#folder, file), text);
    const argument = {
      nginx: ["-p", this.#folder, "-c", file, "-e", "stderr"],
      haproxy: ["-db", "-f", file],
      caddy: ["run", "--adapter", "caddyfile", "--config", file],
    }[this.kind];
    // Debian keeps daemons where an ordinary user's PATH does not lead.
    const env = { PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`, HOME: this.#folder, LANG: "C.UTF-8" };
    const child = spawn(this.kind, argument, { cwd: this.#folder, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    const ended = new Promise<never>((_, reject) => {
      child.once("error", (error) => reject(new Error(`${this.kind} cannot be started (scripts/setup.sh test installs it): ${error.message}`)));
      child.once("exit", (code, signal) => reject(new Error(`${this.kind} ended (${signal ?? code}):\n${this.log}`)));
    });
    ended.catch(() => {});
    await Promise.race([ended, this.#answers()]);
    return this;
  }

  /** Ends it at once, with every connection. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The file's name and its text. */
  #configuration(): [string, string] {
    const shown = documented(this.kind === "caddy" ? "caddyfile" : this.kind);
    const upstream = new URL(this.upstream).host;
    switch (this.kind) {
      case "nginx": {
        const server = replace(shown, ["listen 80;", `listen ${ADDRESS}:${PLAIN};`], ["127.0.0.1:3000", upstream]);
        const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`).join(" ");
        const main = "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}";
        return ["nginx.conf", `${main}\nhttp { access_log off; ${places}\n${server}}\n`];
      }
      case "haproxy": {
        // What Debian's own file says about HTTP.
        const defaults = "defaults\n    mode http\n    timeout connect 5000\n    timeout client 50000\n    timeout server 50000\n";
        return ["haproxy.cfg", defaults + replace(shown, ["bind :80", `bind ${ADDRESS}:${PLAIN}`], ["127.0.0.1:3000", upstream])];
      }
      case "caddy": {
        // An authority of its own instead of the public one, and nothing written outside of the folder.
        const global = `{\n admin off\n local_certs\n skip_install_trust\n default_bind ${ADDRESS}\n http_port ${PLAIN}\n https_port ${TLS}\n storage file_system ${this.#folder}\n}\n`;
        return ["Caddyfile", global + replace(shown, ["127.0.0.1:3000", upstream])];
      }
    }
  }

  async #answers(): Promise<void> {
    const until = Date.now() + 15_000;
    let last: unknown;
    while (Date.now() < until) {
      try {
        last = await this.#status("/healthz");
        // Whatever the server says; a proxy that does not reach it says 502 or 503.
        if (Number(last) < 500) return;
      } catch (error) {
        last = error;
      }
      await delay(25);
    }
    throw new Error(`${this.kind} does not pass anything on (${String(last)}):\n${this.log}`);
  }

  #status(path: string): Promise<number | undefined> {
    const options = { host: ADDRESS, path, headers: { host: NAME }, agent: false, timeout: 2_000 };
    return new Promise((resolve, reject) => {
      const request =
        this.kind === "caddy"
          ? https.get({ ...options, port: TLS, servername: NAME, rejectUnauthorized: false }, answered)
          : http.get({ ...options, port: PLAIN }, answered);
      function answered(response: http.IncomingMessage) {
        response.resume();
        resolve(response.statusCode);
      }
      request.on("error", reject).on("timeout", () => request.destroy(new Error("no answer")));
    });
  }
}

/** What is not there cannot be replaced: then the document has changed, and this file must follow. */
function replace(text: string, ...pairs: [string, string][]): string {
  return pairs.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`the document's configuration should have ${JSON.stringify(from)} once:\n${text}`);
    return text.replace(from, to);
  }, text);
}
