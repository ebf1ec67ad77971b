/** Fields of `/proc/<pid>/stat` (proc_pid_stat(5)). Times are in clock ticks. */
export interface ProcStat {
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Device number of the controlling terminal; 0 for none. */
  readonly tty: number;
  readonly flags: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly nice: number;
  readonly threads: number;
  readonly startTicks: number;
  readonly virtualBytes: number;
}

/** The name may contain spaces and parentheses, so fields are counted from the last parenthesis. */
export function parseProcStat(text: string): ProcStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return {
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    parent: field(4),
    group: field(5),
    session: field(6),
    tty: field(7),
    flags: field(9),
    userTicks: field(14),
    systemTicks: field(15),
    nice: field(19),
    threads: field(20),
    startTicks: field(22),
    virtualBytes: field(23),
  };
}

/** `Key: value` lines, as in `/proc/<pid>/status`, `/proc/<pid>/io` and `/proc/meminfo`. */
export function parseColonLines(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return values;
}

/** The real, effective and saved id in a `Uid:` or `Gid:` line of `/proc/<pid>/status`. */
export function parseIds(value: string | undefined): [real: number, effective: number, saved: number] | undefined {
  const ids = value?.split(/\s+/).map(Number);
  return ids === undefined || ids.length < 3 ? undefined : [ids[0] ?? 0, ids[1] ?? 0, ids[2] ?? 0];
}

/** Arguments end with NUL. A process that rewrote them may have left spaces or nothing. */
export function parseCmdline(text: string): string {
  return text.replace(/\0+$/, '').replaceAll('\0', ' ').trim();
}

/** Variables in `/proc/<pid>/environ`. */
export function parseEnviron(text: string): [key: string, value: string][] {
  const variables: [string, string][] = [];
  for (const entry of text.split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.push([entry.slice(0, equals), entry.slice(equals + 1)]);
  }
  return variables;
}

/** The path in the unified hierarchy, or else the first path. */
export function parseCgroup(text: string): string | undefined {
  const paths = text.split('\n').map((line) => /^(\d+):[^:]*:(\/.*)$/.exec(line));
  const unified = paths.find((match) => match?.[1] === '0') ?? paths.find((match) => match !== null);
  return unified?.[2];
}

/** Boot time in Unix seconds: `btime` in `/proc/stat`. */
export function parseBootTime(text: string): number | undefined {
  const match = /^btime (\d+)$/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}
