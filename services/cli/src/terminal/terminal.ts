import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ReadStream } from 'node:tty';
import { openLineEditor, type LineEditor, type LineEditorOptions } from './line-editor.js';
import { ProcessScreen, type Screen, type ScreenListener } from './screen.js';

/** Everything outside the process that commands use; replaced in tests. */
export interface Terminal {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** From now on times are in UTC, whatever `TZ` says. */
  useUtc(): void;
  /** All of standard input. */
  readInput(): Promise<string>;
  /**
   * A prompt at standard input or, where standard input is data, at the controlling terminal. Undefined when there is no terminal,
   * as in a scheduled job.
   */
  openPrompt(at: 'input' | 'controlling'): Prompt | undefined;
  /** Reads line after line from standard input. */
  openEditor(options: LineEditorOptions): LineEditor;
  /** Takes over the whole terminal. Undefined where standard output is none, or one that cannot move its cursor (`TERM=dumb`). */
  openScreen(listener: ScreenListener): Screen | undefined;
  /** Calls the listener at every Ctrl-C. Returns a function that removes it. Without a listener Ctrl-C ends the process. */
  onInterrupt(listener: () => void): () => void;
}

/** A person at a terminal. */
export interface Prompt {
  /** The line that was typed, without its line end; undefined when the input ended. */
  ask(question: string): Promise<string | undefined>;
  close(): void;
}

/** An output stream. Results go to `stdout`, everything else to `stderr`. */
export interface TextOutput {
  readonly isTTY: boolean;
  /** Width of the terminal; undefined when there is none. */
  readonly columns: number | undefined;
  /** Resolves when more may be written. Rejects with {@link ClosedPipe} when the reader is gone. */
  write(text: string): Promise<void>;
}

/** The reader of standard output has closed it, as `head` does. */
export class ClosedPipe extends Error {
  override readonly name = 'ClosedPipe';
}

/** The real terminal of this process. `setZone` makes times be of another zone than `TZ` said at the start. */
export function processTerminal(env: Terminal['env'], setZone: (zone: string) => void): Terminal {
  return {
    stdout: streamOutput(process.stdout),
    stderr: streamOutput(process.stderr),
    env,
    cwd: process.cwd(),
    home: env['HOME'] ?? '/',
    useUtc: () => setZone('UTC'),
    async readInput() {
      let text = '';
      process.stdin.setEncoding('utf8');
      for await (const part of process.stdin) text += String(part);
      return text;
    },
    openPrompt: (at) => (at === 'input' ? inputPrompt() : controllingPrompt()),
    openEditor: openLineEditor,
    openScreen: (listener) =>
      process.stdout.isTTY && env['TERM'] !== 'dumb' ? new ProcessScreen(listener) : undefined,
    onInterrupt(listener) {
      process.on('SIGINT', listener);
      return () => void process.off('SIGINT', listener);
    },
  };
}

function streamOutput(stream: NodeJS.WriteStream): TextOutput {
  let fault: ClosedPipe | Error | undefined;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.code === 'EPIPE' ? new ClosedPipe('the reader of the output is gone') : error;
  });
  return {
    isTTY: stream.isTTY === true,
    get columns() {
      // Some terminals do not know their width and report 0.
      return stream.isTTY === true && stream.columns > 0 ? stream.columns : undefined;
    },
    write: (text) =>
      new Promise((resolve, reject) => {
        if (fault !== undefined) return reject(fault);
        stream.write(text, (error) => (error ? reject(fault ?? asClosed(error)) : resolve()));
      }),
  };
}

function asClosed(error: NodeJS.ErrnoException): Error {
  return error.code === 'EPIPE' ? new ClosedPipe('the reader of the output is gone') : error;
}

function inputPrompt(): Prompt | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  return linePrompt(
    process.stdin,
    (text) => void process.stderr.write(text),
    () => process.stdin.pause(),
  );
}

/** Undefined where there is no controlling terminal, as on Windows or in a scheduled job. */
function controllingPrompt(): Prompt | undefined {
  let output: number | undefined;
  try {
    const fd = openSync('/dev/tty', 'w');
    output = fd;
    const input = new ReadStream(openSync('/dev/tty', 'r'));
    return linePrompt(
      input,
      (text) => void writeSync(fd, text),
      () => {
        input.destroy();
        closeSync(fd);
      },
    );
  } catch {
    if (output !== undefined) closeSync(output);
    return undefined;
  }
}

/** Line editing stays with the terminal, so that Ctrl-C ends the process as usual. */
function linePrompt(input: ReadStream, write: (text: string) => void, close: () => void): Prompt {
  const lines = createInterface({ input, terminal: false });
  return {
    ask: (question) =>
      new Promise((resolve) => {
        const end = (): void => resolve(undefined);
        lines.once('close', end);
        lines.once('line', (line) => {
          lines.off('close', end);
          resolve(line);
        });
        write(question);
      }),
    close() {
      lines.close();
      close();
    },
  };
}
