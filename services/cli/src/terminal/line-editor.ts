import { createInterface } from 'node:readline';

/** The words that may stand where the cursor is, and the part of the line that they replace. */
export type Completion = readonly [candidates: readonly string[], typed: string];

export interface LineEditorOptions {
  /** The newest line first. */
  readonly history: readonly string[];
  readonly complete: (line: string) => Promise<Completion>;
}

/** Reads lines from a person, with history and completion, or from standard input where it is none. */
export interface LineEditor {
  /** Whether there is a person. */
  readonly isInteractive: boolean;
  /** The next line; `''` after Ctrl-C, `undefined` at the end of the input. */
  read(prompt: string): Promise<string | undefined>;
  close(): void;
}

/** The editor at standard input. While no line is read the terminal is as usual, so that Ctrl-C reaches what runs. */
export function openLineEditor({ history, complete }: LineEditorOptions): LineEditor {
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY || !output.isTTY) return pipedLines();
  const known = [...history];
  return {
    isInteractive: true,
    read: (prompt) =>
      new Promise((resolve) => {
        const editor = createInterface({
          ...{ input, output, prompt, terminal: true, historySize: 1_000, removeHistoryDuplicates: true },
          history: [...known],
          completer: (line: string, tell: (error: null, completion: [string[], string]) => void) =>
            void complete(line).then(([words, typed]) => tell(null, [[...words], typed])),
        });
        let line: string | undefined;
        editor.once('line', (typed) => {
          line = typed;
          if (typed.trim() !== '') known.unshift(typed);
          editor.close();
        });
        editor.once('SIGINT', () => {
          line = '';
          output.write('^C\n');
          editor.close();
        });
        editor.once('close', () => {
          if (line === undefined) output.write('\n');
          resolve(line);
        });
        editor.prompt();
      }),
    close: () => input.pause(),
  };
}

function pipedLines(): LineEditor {
  const lines = createInterface({ input: process.stdin, terminal: false })[Symbol.asyncIterator]();
  return {
    isInteractive: false,
    read: async () => {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    close: () => void lines.return?.(),
  };
}
