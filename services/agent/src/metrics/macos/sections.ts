/** The parts of an answer of the script, by name. `undefined` when it is none. A part begins with a line of the token and its name. */
export function readSections(text: string): ReadonlyMap<string, string> | undefined {
  const token = /^([0-9a-f]{24}) /.exec(text)?.[1];
  if (token === undefined) return undefined;
  const sections = new Map<string, string>();
  for (const part of `\n${text}`.split(`\n${token} `).slice(1)) {
    const end = part.indexOf('\n');
    if (end !== -1) sections.set(part.slice(0, end), part.slice(end + 1));
  }
  return sections;
}

/** Of a part; more are not read. */
const MAX_LINES = 20_000;

export function linesOf(text: string): string[] {
  return text.split('\n', MAX_LINES);
}
