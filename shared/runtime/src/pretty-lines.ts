/** Converts each JSON line to a readable one: `20:15:02.113 info  gateway session opened agentId=abc`. */
export function prettyLines(target: { write(line: string): unknown }): { write(line: string): void } {
  return { write: (line) => void target.write(prettyLine(line)) };
}

function prettyLine(line: string): string {
  const { time, level, service, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const data = Object.entries(fields).map(([name, value]) => ` ${name}=${plain(value)}`);
  const stack = stackOf(err);
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(service)} ${String(msg)}${data.join('')}\n${stack}`;
}

const plain = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);

function stackOf(err: unknown): string {
  if (typeof err !== 'object' || err === null || !('stack' in err)) return '';
  return `${String(err.stack).replace(/^/gm, '    ')}\n`;
}
