import { readFileSync } from 'node:fs';
import { arch } from 'node:process';
import type { Platform, TableRow } from '@muster/tables';
import type { Collector, System } from './contract/system.js';
import { parseBootTime, parseProcStat } from './linux/parse/proc.js';

/** osquery's bits: POSIX 1, Windows 2, Linux 8, macOS 16. */
const PLATFORM_MASK: Readonly<Record<Platform, number>> = { linux: 9, windows: 2, darwin: 17 };
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

interface AboutAgentOptions {
  readonly platform: Platform;
  readonly version: string;
  readonly agentPid: number;
  readonly agentId: () => string | undefined;
}

/** Tables about the agent and its clock, the same on every platform. */
export function aboutAgent({ platform, version, agentPid, agentId }: AboutAgentOptions): readonly Collector[] {
  return [
    {
      table: 'time',
      *collect() {
        yield timeRow(new Date());
      },
    },
    {
      table: 'osquery_info',
      *collect(system) {
        yield {
          pid: agentPid,
          uuid: system.word('/sys/class/dmi/id/product_uuid') ?? '',
          instance_id: '',
          version,
          config_hash: '',
          config_valid: 0,
          extensions: 'inactive',
          build_platform: platform,
          build_distro: 'muster',
          start_time: startTime(system, agentPid),
          watcher: -1,
          platform_mask: PLATFORM_MASK[platform],
        };
      },
    },
    {
      table: 'muster_info',
      *collect(system) {
        yield {
          version,
          pid: agentPid,
          start_time: startTime(system, agentPid),
          agent_id: agentId(),
          node_version: process.versions.node,
          platform,
          arch,
          uid: process.getuid?.(),
        };
      },
    },
  ];
}

function timeRow(now: Date): TableRow {
  const iso = `${now.toISOString().slice(0, 19)}Z`;
  const weekday = WEEKDAYS[now.getUTCDay()] ?? '';
  const day = String(now.getUTCDate()).padStart(2, ' ');
  return {
    weekday,
    year: now.getUTCFullYear(),
    month: now.getUTCMonth() + 1,
    day: now.getUTCDate(),
    hour: now.getUTCHours(),
    minutes: now.getUTCMinutes(),
    seconds: now.getUTCSeconds(),
    timezone: 'UTC',
    local_timezone: localZone(now),
    unix_time: Math.floor(now.getTime() / 1_000),
    timestamp: `${weekday.slice(0, 3)} ${MONTHS[now.getUTCMonth()] ?? ''} ${day} ${iso.slice(11, 19)} ${now.getUTCFullYear()} UTC`,
    datetime: iso,
    iso_8601: iso,
    date_time: iso,
  };
}

function localZone(now: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(now);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

/** Unix seconds; `undefined` where it cannot be told. */
function startTime(system: System, pid: number): number | undefined {
  if (!system.live) return undefined;
  try {
    const boot = parseBootTime(readFileSync('/proc/stat', 'utf8'));
    const ticks = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.startTicks;
    return boot === undefined || ticks === undefined ? undefined : boot + Math.floor(ticks / 100);
  } catch {
    return undefined;
  }
}
