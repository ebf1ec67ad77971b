/** What `read` makes of the groups of each line that matches. A group that took no part is empty. */
export function matchLines<T>(text: string, pattern: RegExp, read: (groups: readonly string[]) => T): T[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const match = pattern.exec(line);
    return match === null ? [] : [read(match.slice(1).map((group) => group ?? ''))];
  });
}
