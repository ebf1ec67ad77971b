import type { GatewayUpdate } from '@muster/messages';

/**
 * Looks at the numbers and texts of an update that go on as they are: into sums of all gateways, into a query's end and its events.
 * @throws RangeError for a number that is negative, none, or over 2^53; TypeError for what is no text
 */
export function checkUpdate(update: GatewayUpdate): void {
  checkCount('seq', update.seq);
  if (!Number.isInteger(update.seq)) throw new RangeError('seq is no integer');
  if (update.t === 'targeted') {
    if (update.polls !== undefined) checkCount('withinMs', update.polls.withinMs);
    return;
  }
  const { working, failures, warnings = [] } = update;
  if (working !== undefined)
    for (const name of ['endpoints', 'paused', 'looked'] as const) checkCount(name, working[name]);
  for (const [, outcome, code, message] of failures) checkTexts(outcome, code, message);
  for (const [, code, count, message] of warnings) {
    checkTexts(code, message);
    checkCount('warnings', count);
  }
}

function checkCount(name: string, value: unknown): void {
  const isCount = typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
  if (!isCount) throw new RangeError(`${name} is ${String(value)}`);
}

function checkTexts(...texts: readonly unknown[]): void {
  if (!texts.every((text) => typeof text === 'string')) throw new TypeError('a code or a message is no text');
}
