import * as units from '@grafana/grafana-foundation-sdk/units';
import type { DashboardSpec, RowSpec } from '../build/dashboard.js';
import { maxBy, rateBy, sumBy } from '../build/queries.js';

const BUSY = 'cpu_mode!~"idle|iowait"';

const overview: RowSpec = {
  title: 'Overview',
  panels: [
    {
      title: 'CPU in use',
      description: 'Share of all processors since the last sample.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [0.8, 0.95] },
      queries: [maxBy('system_cpu_utilization_ratio', 'host')],
    },
    {
      title: 'Memory in use',
      description: 'What is not available to programs, as a share.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [0.9, 0.97] },
      queries: [
        {
          expr: '1 - max by (host) (system_linux_memory_available_bytes{$m}) / max by (host) (system_memory_limit_bytes{$m})',
          legend: '{{host}}',
        },
      ],
    },
    {
      title: 'Fullest file system',
      description: 'Of what programs without privileges may use.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [0.9, 0.97] },
      queries: [{ expr: `max(${full('$m')})`, legend: 'full' }],
    },
    {
      title: 'Load for each processor',
      description: 'Of one minute. Above 1 programs wait for a processor.',
      unit: units.Short,
      single: true,
      thresholds: { at: [1, 4] },
      queries: [
        {
          expr: 'max by (host) (system_cpu_load_average_1m{$m}) / max by (host) (system_cpu_logical_count{$m})',
          legend: '{{host}}',
        },
      ],
    },
    {
      title: 'Up for',
      description: 'Since the machine was started.',
      unit: units.Seconds,
      single: true,
      queries: [maxBy('system_uptime_seconds', 'host')],
    },
    {
      title: 'The agent itself',
      description: 'Processors that the agent takes.',
      unit: units.PercentUnit,
      single: true,
      thresholds: { at: [0.1, 0.5] },
      queries: [rateBy('muster_agent_cpu_time_seconds_total')],
    },
  ],
};

const processors: RowSpec = {
  title: 'Processors and memory',
  panels: [
    {
      title: 'Processor time',
      description: 'Processors in use, by what for. steal: the host of a virtual machine took it.',
      unit: units.Short,
      stacked: true,
      queries: [rateBy(`system_cpu_time_seconds_total{cpu="",cpu_mode!="idle"}`, 'cpu_mode')],
    },
    {
      title: 'Cores',
      description: 'How busy each one is.',
      unit: units.PercentUnit,
      max: 1,
      queries: [{ ...rateBy(`system_cpu_time_seconds_total{cpu!="",${BUSY}}`, 'cpu'), legend: 'core {{cpu}}' }],
    },
    {
      title: 'Load average',
      description: 'Programs that run or wait.',
      unit: units.Short,
      queries: ['1m', '5m', '15m'].map((span) => ({ ...sumBy(`system_cpu_load_average_${span}`), legend: span })),
    },
    {
      title: 'Memory',
      description: 'All of it, by its use.',
      unit: units.BytesIEC,
      stacked: true,
      queries: [sumBy('system_memory_usage_bytes', 'system_memory_state')],
    },
    {
      title: 'Pressure',
      description: 'Share of the time in which programs waited for processors, memory or disks (PSI, Linux).',
      unit: units.PercentUnit,
      queries: [rateBy('system_linux_pressure_stall_time_seconds_total', 'resource', 'stalled')],
    },
    {
      title: 'Processes',
      description: 'By state, and all threads. Those that are blocked wait for a disk.',
      unit: units.Short,
      queries: [
        sumBy('system_process_count', 'process_status'),
        { ...sumBy('system_thread_count'), legend: 'threads' },
      ],
    },
  ],
};

const disks: RowSpec = {
  title: 'Disks and file systems',
  panels: [
    {
      title: 'Disk throughput',
      description: 'Bytes read and written, by disk.',
      unit: units.BytesPerSecondIEC,
      queries: [rateBy('system_disk_io_bytes_total', 'device', 'disk_io_direction')],
    },
    {
      title: 'Disk operations',
      description: 'Reads and writes that ended, by disk.',
      unit: units.IOOpsPerSecond,
      queries: [rateBy('system_disk_operations_total', 'device', 'disk_io_direction')],
    },
    {
      title: 'Disk busy',
      description: 'Share of the time in which a disk had something to do.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.8, 0.95] },
      queries: [rateBy('system_disk_io_time_seconds_total', 'device')],
    },
    {
      title: 'File systems',
      description: 'How full each is, of what programs without privileges may use.',
      unit: units.PercentUnit,
      max: 1,
      thresholds: { at: [0.9, 0.97] },
      queries: [{ expr: full('$m'), legend: '{{mountpoint}}' }],
    },
    {
      title: 'Inodes in use',
      description: 'A file system without free inodes takes no more files, however much space it has.',
      unit: units.Short,
      queries: [
        {
          ...sumBy('system_filesystem_inodes_usage{system_filesystem_state="used"}', 'mountpoint'),
          legend: '{{mountpoint}}',
        },
      ],
    },
    {
      title: 'Open files',
      description: 'File handles that the kernel has allocated.',
      unit: units.Short,
      queries: [sumBy('system_linux_file_handle_count')],
    },
  ],
};

const networks: RowSpec = {
  title: 'Networks',
  panels: [
    {
      title: 'Throughput',
      description: 'Bytes received and sent, by interface.',
      unit: units.BytesPerSecondIEC,
      queries: [rateBy('system_network_io_bytes_total', 'network_interface_name', 'network_io_direction')],
    },
    {
      title: 'Errors and drops',
      description: 'Packets that were damaged or thrown away. More than a few: a cable, a driver, a full queue.',
      unit: units.CountsPerSecond,
      queries: [
        { ...rateBy('system_network_errors_total', 'network_io_direction'), legend: 'errors {{network_io_direction}}' },
        {
          ...rateBy('system_network_packet_dropped_total', 'network_io_direction'),
          legend: 'dropped {{network_io_direction}}',
        },
      ],
    },
    {
      title: 'TCP connections',
      description: 'By state. Many in close_wait: a program does not close its connections.',
      unit: units.Short,
      queries: [sumBy('system_network_connection_count', 'network_connection_state')],
    },
  ],
};

function full(matchers: string): string {
  const state = (states: string): string =>
    `sum by (mountpoint) (system_filesystem_usage_bytes{${matchers},system_filesystem_state=~"${states}"})`;
  return `${state('used')} / ${state('used|free')}`;
}

/** Of the store that telemetry services write to (`MUSTER_TELEMETRY_REMOTE_WRITE_URL`), with the labels that they write by default. */
export const endpoint: DashboardSpec = {
  name: 'endpoint',
  title: 'Muster / Endpoint',
  description:
    'What one endpoint measures, from the store that remote write fills. Two endpoints of one name differ in their agent.',
  chooseBy: 'system_uptime_seconds',
  choices: ['org', 'host', 'agent'],
  rows: [overview, processors, disks, networks],
};
