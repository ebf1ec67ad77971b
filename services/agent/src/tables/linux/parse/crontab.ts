import type { TableRow } from '@muster/tables';

const NO_TIME = { minute: '', hour: '', day_of_month: '', month: '', day_of_week: '' };

/** Parses crontab(5). In system tables the command begins with the user. */
export function parseCrontab(text: string): TableRow[] {
  return text.split('\n').flatMap((raw) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const event = /^(@\w+)\s+(.+)$/.exec(line);
    if (event !== null) return [{ event: event[1] ?? '', ...NO_TIME, command: event[2] ?? '' }];
    const job = /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(.+)$/.exec(line);
    // Assignments such as `MAILTO = root` are not jobs.
    if (job === null || /^\w+\s*=/.test(line)) return [];
    const [, minute = '', hour = '', day_of_month = '', month = '', day_of_week = '', command = ''] = job;
    return [{ event: '', minute, hour, day_of_month, month, day_of_week, command }];
  });
}
