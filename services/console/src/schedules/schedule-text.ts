import type { FiringJson, ScheduleJson } from '@muster/api-contract';
import type { Me } from '../session/session.js';
import { plural } from '../text/numbers.js';

/** Who made a schedule changes it, and admins whom no selector bounds. The server enforces it. */
export function mayChange(
  me: Pick<Me, 'id' | 'role' | 'selector' | 'permissions'> | undefined,
  { createdBy }: Pick<ScheduleJson, 'createdBy'>,
): boolean {
  if (me === undefined || !me.permissions.includes('queries:run')) return false;
  return createdBy.id === me.id || (me.role === 'admin' && (me.selector ?? '') === '');
}

/** What became of a moment, in words; the scan is a link of its own. */
export function firingText({ result, missed, message }: Pick<FiringJson, 'result' | 'missed' | 'message'>): string {
  const why = message === undefined ? '' : `: ${message}`;
  if (result === 'started') return `started${why}`;
  if (result === 'failed') return `failed${why}`;
  return `missed${missed === undefined ? '' : `, ${plural(missed, 'moment')}`}${why}`;
}

/** Presets of moments. */
export const MOMENTS = [
  { id: '0 * * * *', label: 'every hour' },
  { id: '0 2 * * *', label: 'every day at 02:00' },
  { id: '0 2 * * 1-5', label: 'on working days at 02:00' },
  { id: '0 2 * * 1', label: 'on Mondays at 02:00' },
  { id: '0 2 1 * *', label: 'on the first of a month at 02:00' },
  { id: '', label: 'other moments' },
] as const;

const FIELDS = 5;

/** What is wrong with a cron expression as far as it can be seen here; the server reads it. */
export function cronFault(text: string): string | undefined {
  const fields = text
    .trim()
    .split(/\s+/)
    .filter((field) => field !== '');
  return fields.length === FIELDS ? undefined : 'five fields: minute, hour, day of month, month, day of week';
}
