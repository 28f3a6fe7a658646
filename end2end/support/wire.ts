// A wire that breaks: relays connections byte by byte, and cuts each after as many bytes of the answer as its owner says, wherever in the
// answer that falls. It knows nothing of HTTP.
import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";

export class Wire {
  url = "";
  /** How many connections were made. */
  connections = 0;
  /** How many of them were cut. */
  cuts = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = net.createServer((client) => this.#relay(client));

  /** `patience(n)` is how many bytes of the answer the n-th connection, from 1, lets through; infinite: all. */
  constructor(
    readonly upstream: string,
    readonly patience: (connection: number) => number,
  ) {}

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #relay(client: Socket): void {
    const { hostname, port } = new URL(this.upstream);
    const server = net.connect(Number(port), hostname);
    let left = this.patience(++this.connections);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    }
    client.pipe(server);
    client.on("close", () => server.destroy());
    server.on("close", () => client.end());
    server.on("data", (bytes) => {
      if (bytes.length < left) {
        left -= bytes.length;
        client.write(bytes);
        return;
      }
      const orderly = ++this.cuts % 2 === 0;
      server.removeAllListeners("data").removeAllListeners("close");
      // A proxy that gives up closes in order, a dying network or process does not.
      client.write(bytes.subarray(0, left), () => (orderly ? client.end() : client.resetAndDestroy()));
      server.destroy();
    });
  }
}
