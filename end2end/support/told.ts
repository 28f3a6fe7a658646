// A run that writes `line 1`, `line 2` and so on when it is told to, so that a test decides when there is output, and not the time.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Server } from "./server";

export class ToldRun {
  #count = 0;

  private constructor(
    readonly server: Server,
    readonly id: string,
    readonly words: number,
  ) {}

  /** Starts one; a server can have one. */
  static async start(server: Server): Promise<ToldRun> {
    const words = path.join(server.home, "words");
    execFileSync("mkfifo", [words]);
    const { run } = await server.api.submit('while read -r word && [ "$word" != end ]; do echo "line $word"; done < "$HOME/words"');
    // For reading as well, so that it does not wait for somebody who reads.
    return new ToldRun(server, run.id, fs.openSync(words, "r+"));
  }

  /** What it has written, line by line. */
  get lines(): string[] {
    return Array.from({ length: this.#count }, (_, at) => `line ${at + 1}`);
  }

  /** The last of them. */
  get last(): string {
    return `line ${this.#count}`;
  }

  /** Tells it to write so many more lines. */
  write(count: number): void {
    const words = Array.from({ length: count }, () => `${++this.#count}\n`);
    fs.writeSync(this.words, words.join(""));
  }

  /** Tells it to write a line of those words, which is not counted. */
  say(words: string): void {
    fs.writeSync(this.words, `${words}\n`);
  }

  /** Tells it to end, and waits until it has; what the server has of it. */
  async end(): Promise<string> {
    fs.writeSync(this.words, "end\n");
    await this.server.api.ended(this.id);
    fs.closeSync(this.words);
    return this.server.api.output(this.id);
  }
}
