/** One command of a history file. `time` is in Unix seconds; 0 where the shell did not note it. */
export interface HistoryEntry {
  readonly time: number;
  readonly command: string;
}

/** Lines of a history file of bash (`#1700000000` before a command) or zsh (`: 1700000000:0;command`), as osquery reads them. */
export function* parseShellHistory(text: string): Iterable<HistoryEntry> {
  let noted: number | undefined;
  for (const line of lines(text)) {
    const bash = /^#(\d{1,15})$/.exec(line);
    if (bash !== null) {
      noted = Number(bash[1]);
      continue;
    }
    const zsh = /^: {0,10}(\d{1,11}):\d+;(.*)$/s.exec(line);
    yield zsh === null ? { time: noted ?? 0, command: line } : { time: Number(zsh[1]), command: zsh[2] ?? '' };
    noted = undefined;
  }
}

/** The lines of a text, one by one: all at once they may need many times its memory. */
export function* lines(text: string): Iterable<string> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from);
    yield text.slice(from, end < 0 ? undefined : end);
    from = end < 0 ? text.length : end + 1;
  }
}
