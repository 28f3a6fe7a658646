// The reference for what a console shows: xterm.js, an independent terminal, fed what the run wrote and given the sizes that its
// terminal got.
import { Terminal } from "@xterm/headless";
import type { Written } from "./api";

export interface Shown {
  /** The screen with everything that scrolled off it, wrapped lines joined, without the blank end. */
  lines: string[];
  /** Each piece of a line that is not in the default colour, with the line's number. */
  coloured: { line: number; text: string }[];
}

/**
 * What a terminal shows at the end that begins with 120 columns and 32 rows. A line feed begins a line, as it does on every terminal
 * that a program finds.
 */
export async function inTerminal(written: Written[]): Promise<Shown> {
  const terminal = new Terminal({ cols: 120, rows: 32, scrollback: 100_000, convertEol: true, allowProposedApi: true });
  for (const step of written) {
    if ("text" in step) await new Promise<void>((done) => terminal.write(step.text, done));
    else terminal.resize(step.columns, step.rows);
  }
  const buffer = terminal.buffer.active;
  const lines: string[] = [];
  const coloured: { line: number; text: string }[] = [];
  for (let y = 0; y < buffer.length; y++) {
    const row = buffer.getLine(y);
    if (!row) continue;
    const text = row.translateToString(true);
    if (row.isWrapped) lines[lines.length - 1] += text;
    else lines.push(text);
    let piece = "";
    for (let x = 0; x <= row.length; x++) {
      const cell = row.getCell(x);
      const inColour = cell && !cell.isFgDefault() && cell.getChars().trim() !== "";
      if (inColour) piece += cell.getChars();
      else if (piece) {
        coloured.push({ line: lines.length - 1, text: piece });
        piece = "";
      }
    }
  }
  terminal.dispose();
  const trimmed = lines.map((text) => text.trimEnd());
  while (trimmed.at(-1) === "") trimmed.pop();
  return { lines: trimmed, coloured };
}
