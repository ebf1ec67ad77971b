import type { Collector } from '../contract/collector.js';
import { parseCrontab } from './parse/crontab.js';

const FOLDERS = ['/etc/cron.d', '/var/spool/cron', '/var/spool/cron/crontabs', '/var/spool/cron/tabs'] as const;

export const crontab: Collector = {
  table: 'crontab',
  *collect(system) {
    const drops = FOLDERS.flatMap((folder) =>
      system
        .list(folder)
        .filter((name) => !name.startsWith('.'))
        .map((name) => `${folder}/${name}`),
    );
    for (const path of ['/etc/crontab', ...drops]) {
      for (const job of parseCrontab(system.text(path) ?? '')) yield { ...job, path };
    }
  },
};
