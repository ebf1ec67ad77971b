/** The world around the command, replaced in tests. */
export interface Terminal {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Calls the listener at every Ctrl-C; returns what takes it away again. Without one, Ctrl-C ends the process. */
  onInterrupt(listener: () => void): () => void;
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
      return stream.isTTY === true ? stream.columns : undefined;
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
