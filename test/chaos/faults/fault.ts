import { OTHER_PARTS, PARTS, type Part } from '../system/parts.js';

/**
 * What happens to one part.
 *
 * - `drain`: SIGTERM to a program; when it has ended, it is started again by its supervisor.
 * - `upgrade`, `rollback`: a drain, and what is started again is the new version, or the one before.
 * - `kill`: SIGKILL. A program is started again by its supervisor, a broker after `ms`.
 * - `freeze`: SIGSTOP, and SIGCONT after `ms`.
 * - `empty`: Redis forgets everything.
 * - `fill`: Redis has no memory left for so long: it refuses what writes.
 * - `restart`: a broker is stopped in good order and started again.
 */
export interface Strike {
  readonly part: Part;
  readonly kind: 'drain' | 'upgrade' | 'rollback' | 'kill' | 'freeze' | 'empty' | 'fill' | 'restart';
  readonly ms: number;
}

/** One fault of a round: one strike, or two at once. */
export type Fault = readonly [Strike, ...Strike[]];

export function describeFault(fault: Fault): string {
  return fault.map(describeStrike).join(' and ');
}

function describeStrike({ part, kind, ms }: Strike): string {
  const duration = ms === 0 ? '' : ` for ${ms / 1_000} s`;
  return `${kind} ${part}${duration}`;
}

/** Whether all of it leaves in good order, so that nobody may notice. */
export function isPlanned(fault: Fault): boolean {
  return fault.every(({ kind }) => LEAVING.includes(kind));
}

const LEAVING: readonly Strike['kind'][] = ['drain', 'upgrade', 'rollback'];
const KINDS: readonly string[] = [...LEAVING, 'kill', 'freeze', 'empty', 'fill', 'restart'] satisfies Strike['kind'][];

/** Reads `freeze nats 20`, `kill query-1 + freeze redis 6`: kind, part and seconds. @throws Error that says what is wrong */
export function parseFault(text: string): Fault {
  const [first, ...others] = text.split('+').map((part) => parseStrike(part.trim()));
  if (first === undefined) throw new Error('a fault is at least one strike');
  return [first, ...others];
}

function parseStrike(text: string): Strike {
  const [kind = '', part = '', seconds = '0'] = text.split(/\s+/);
  const ms = Number(seconds) * 1_000;
  if (!KINDS.includes(kind)) throw new Error(`"${text}": begin with one of ${KINDS.join(', ')}`);
  const parts: readonly Part[] = [...PARTS, ...OTHER_PARTS];
  if (!parts.includes(part as Part)) throw new Error(`"${text}": name one of ${PARTS.join(', ')}`);
  if (!(ms >= 0)) throw new Error(`"${text}": end with seconds`);
  return { kind: kind as Strike['kind'], part: part as Part, ms };
}
