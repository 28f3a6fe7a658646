// A reverse proxy whose behaviour can be changed while it runs, standing in for what goes wrong between a browser and a server.
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * What is said where a stream is asked for, or about one by HEAD:
 * - pass: what the server says; a function: the same, but changed on its way, as it comes;
 * - silence: 200 and then nothing; hang: nothing at all; drop: the connection ends without an answer;
 * - or what stands here, instead of a stream.
 */
export type Answer = "pass" | "silence" | "hang" | "drop" | ((text: string) => string) | { status: number; headers?: Record<string, string>; body?: string };

export class Proxy {
  url = "";
  /** When each stream was asked for, in the order of arrival. */
  readonly streams: { at: number }[] = [];
  /** How many streams are open now. */
  openStreams = 0;
  /** From now on, for those who ask for a stream or about one; what is open stays as it is until it is cut. */
  streamsAre: Answer = "pass";
  /** From now on, for those who ask about a stream, where they are to be told something else. */
  probesAre?: Answer;
  /** From now on: documents come without the server's word that nobody is to keep them. */
  documentsMayBeKept = false;
  /** Called with the path of each request. */
  onRequest?: (url: string) => void;
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
    if (!/^\/api\/v1\/(runs\/[^/]+\/)?events/.test(request.url ?? "")) return this.#pass(request, response);
    const isProbe = request.method === "HEAD";
    if (!isProbe) {
      this.streams.push({ at: Date.now() });
      this.openStreams++;
      response.on("close", () => this.openStreams--);
    }
    const answer = (isProbe && this.probesAre) || this.streamsAre;
    if (answer === "hang") return;
    if (answer === "drop") request.socket.destroy();
    else if (answer === "silence") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      // By HEAD that is all of it, and the browser goes on to use the connection.
      if (isProbe) response.end();
      else response.flushHeaders();
    } else if (answer === "pass") this.#pass(request, response);
    else if (typeof answer === "function") this.#pass(request, response, answer);
    else response.writeHead(answer.status, answer.headers).end(isProbe ? undefined : answer.body);
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse, rewrite?: (text: string) => string): void {
    const { method, headers } = request;
    const onward = http.request(new URL(request.url ?? "/", this.upstream()), { method, headers, agent: false }, (answer) => {
      if (this.documentsMayBeKept && answer.headers["content-type"]?.startsWith("text/html")) delete answer.headers["cache-control"];
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("error", () => response.destroy());
      if (rewrite) answer.setEncoding("utf8").on("data", (text: string) => response.write(rewrite(text))).on("end", () => response.end());
      else answer.pipe(response);
    });
    onward.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }
}
