import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ReadStream } from 'node:tty';

/** The world around the command, replaced in tests. */
export interface Terminal {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** All of standard input. */
  readInput(): Promise<string>;
  /**
   * Somebody who can be asked: at standard input, or, where that is data, at the terminal that the process belongs to. Undefined when there is
   * nobody, as in a job of a machine.
   */
  openPrompt(at: 'input' | 'controlling'): Prompt | undefined;
  /** Calls the listener at every Ctrl-C; returns what takes it away again. Without one, Ctrl-C ends the process. */
  onInterrupt(listener: () => void): () => void;
}

/** A person at a terminal. */
export interface Prompt {
  /** The line that was typed, without its end; undefined when input ended instead. */
  ask(question: string): Promise<string | undefined>;
  close(): void;
}

/** Text going out. Results go to `stdout`, everything else to `stderr`. */
export interface TextOutput {
  readonly isTTY: boolean;
  /** Width of the terminal; undefined when there is none. */
  readonly columns: number | undefined;
  /** Resolves when more may be written. Rejects with {@link ClosedPipe} when the reader has gone. */
  write(text: string): Promise<void>;
}

/** The reader of standard output has had enough, as `head` has. */
export class ClosedPipe extends Error {
  override readonly name = 'ClosedPipe';
}

/** The real terminal of this process. */
export function processTerminal(env: Terminal['env']): Terminal {
  return {
    stdout: streamOutput(process.stdout),
    stderr: streamOutput(process.stderr),
    env,
    cwd: process.cwd(),
    home: env['HOME'] ?? '/',
    async readInput() {
      let text = '';
      process.stdin.setEncoding('utf8');
      for await (const part of process.stdin) text += String(part);
      return text;
    },
    openPrompt: (at) => (at === 'input' ? inputPrompt() : controllingPrompt()),
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
      // Some terminals do not know their width and say 0.
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

/** Where there is no such terminal, as on Windows or in a job, nobody can be asked. */
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

/** Lines as the terminal itself edits them, so that Ctrl-C ends the process as everywhere. */
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
