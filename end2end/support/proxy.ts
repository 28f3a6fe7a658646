// A reverse proxy whose behaviour can be changed while it runs, standing in for what goes wrong between a browser and a server.
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * - pass: hand everything on;
 * - refuse: answer 503 to everything, as a proxy whose server is being deployed;
 * - silence: answer a stream with 200 and then nothing; hand everything else on.
 */
export type Mode = "pass" | "refuse" | "silence";

/** What is answered where a stream is asked for, instead of the stream; `drop` ends the connection without an answer. */
export type Answer = { status: number; headers?: Record<string, string>; body?: string } | "drop";

export class Proxy {
  url = "";
  /** When each stream was asked for, in the order of arrival, and how it was answered. */
  readonly streams: { at: number; mode: Mode; url: string }[] = [];
  /** How many streams are open now. */
  openStreams = 0;
  /** From now on, for those who ask for a stream or about one; none hands it on. */
  streamsAre?: Answer;
  /** From now on, for what a stream says on its way to the page, as it comes; none leaves it as it is. */
  rewriteStream?: (text: string) => string;
  /** Called with the path of each request. */
  onRequest?: (url: string) => void;
  #mode: Mode = "pass";
  readonly #sockets = new Set<Socket>();
  readonly #server = http.createServer((request, response) => this.#answer(request, response));

  constructor(readonly upstream: () => string) {
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  /** From now on; what is open is cut, so that nothing goes on in the old way. */
  become(mode: Mode): void {
    this.#mode = mode;
    this.cut();
  }

  /** From now on, for new requests; what is open stays as it is. */
  becomeQuietly(mode: Mode): void {
    this.#mode = mode;
  }

  /** Ends every open connection at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.onRequest?.(request.url ?? "");
    const isStream = /^\/api\/v1\/(runs\/[^/]+\/)?events/.test(request.url ?? "");
    if (isStream && request.method === "GET") {
      this.streams.push({ at: Date.now(), mode: this.#mode, url: request.url ?? "" });
      this.openStreams++;
      response.on("close", () => this.openStreams--);
    }
    if (this.#mode === "refuse") {
      response.writeHead(503, { "content-type": "text/plain", connection: "close" }).end("no server available\n");
    } else if (this.#mode === "silence" && isStream) {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    } else if (this.streamsAre && isStream) {
      if (this.streamsAre === "drop") return void request.socket.destroy();
      const { status, headers, body } = this.streamsAre;
      response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
    } else {
      this.#pass(request, response);
    }
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method, headers } = request;
    const onward = http.request(new URL(request.url ?? "/", this.upstream()), { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("error", () => response.destroy());
      const rewrite = answer.headers["content-type"]?.startsWith("text/event-stream") ? this.rewriteStream : undefined;
      if (rewrite) answer.on("data", (bytes: Buffer) => response.write(rewrite(bytes.toString()))).on("end", () => response.end());
      else answer.pipe(response);
    });
    onward.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }
}
