// The REST API as a program uses it, by bearer token. The specs use it to set a scene and to check what a page shows against what
// the server holds.
import http from "node:http";
import type { Server } from "./server";

export interface Run {
  id: string;
  taskId: string;
  status: string;
  exitCode: number | null;
  bytes: number;
  lines: number;
  digest: string | null;
}
export interface Task {
  id: string;
  title: string;
  status: string;
  answer?: { value: string };
}
/** An `output` event, or a `size` event. */
export type Written = { text: string } | { columns: number; rows: number };
export interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}
export interface Call {
  body?: unknown;
  headers?: Record<string, string>;
  /** Another token, or null for none. */
  token?: string | null;
}

export class Api {
  constructor(readonly server: Server) {}

  /** Any call. Node's own client, since `fetch` does not let Host be set. */
  async call(method: string, path: string, { body, headers = {}, token = this.server.token }: Call = {}): Promise<Reply> {
    const raw = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const all: Record<string, string> = { ...(token !== null && { authorization: `Bearer ${token}` }) };
    if (raw !== undefined) Object.assign(all, { "content-type": "application/json", "content-length": String(Buffer.byteLength(raw)) });
    return new Promise((resolve, reject) => {
      const request = http.request(new URL(path, this.server.url), { method, headers: { ...all, ...headers }, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => (text += part));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(raw);
    });
  }

  /** A call that must succeed, with its JSON. */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = await this.call(method, path, { body });
    if (reply.status < 200 || reply.status > 299) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return JSON.parse(reply.text) as T;
  }

  submit(prompt: string, more: object = {}): Promise<{ run: Run; task: Task }> {
    return this.json("POST", "/api/v1/runs", { prompt, ...more });
  }

  run(id: string): Promise<Run> {
    return this.json("GET", `/api/v1/runs/${id}`);
  }

  post(task: object): Promise<Task> {
    return this.json("POST", "/api/v1/tasks", task);
  }

  async tasks(): Promise<Task[]> {
    const list = await this.json<Task[] | { tasks: Task[] }>("GET", "/api/v1/tasks");
    return Array.isArray(list) ? list : list.tasks;
  }

  /** Waits for the end of a run: its stream ends with it. */
  async ended(id: string): Promise<Run> {
    await this.call("GET", `/api/v1/runs/${id}/events`);
    return this.run(id);
  }

  async cancel(id: string): Promise<Run> {
    await this.call("POST", `/api/v1/runs/${id}/cancellation`);
    return this.ended(id);
  }

  /** Exactly what the run wrote. */
  async output(id: string): Promise<string> {
    const reply = await this.call("GET", `/api/v1/runs/${id}/output`);
    if (reply.status !== 200) throw new Error(`output: ${reply.status} ${reply.text}`);
    return reply.text;
  }

  /** What an ended run wrote and which sizes its terminal got, in the order of the log. */
  async written(id: string): Promise<Written[]> {
    const { events } = await this.streamUntil(`/api/v1/runs/${id}/events`, "end");
    return events.filter(({ name }) => name === "output" || name === "size").map(({ data }) => JSON.parse(data) as Written);
  }

  /** A stream's events up to the first one of the given name. */
  async streamUntil(path: string, name: string, headers: Record<string, string> = {}): Promise<{ status: number; events: { name: string; data: string }[] }> {
    return new Promise((resolve, reject) => {
      const all = { authorization: `Bearer ${this.server.token}`, accept: "text/event-stream", ...headers };
      const request = http.get(new URL(path, this.server.url), { headers: all, agent: false }, (response) => {
        let text = "";
        const done = () => {
          const events = text
            .split("\n\n")
            .slice(0, -1)
            .map((frame) => ({ name: /^event: (.*)$/m.exec(frame)?.[1] ?? "", data: /^data: (.*)$/m.exec(frame)?.[1] ?? "" }));
          return { status: response.statusCode ?? 0, events };
        };
        response.setEncoding("utf8").on("data", (part) => {
          text += part;
          if (!done().events.some((event) => event.name === name)) return;
          resolve(done());
          request.destroy();
        });
        response.on("end", () => resolve(done()));
        response.on("error", reject);
      });
      request.on("error", reject);
    });
  }
}
